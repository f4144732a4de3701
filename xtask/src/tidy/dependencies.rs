//! Who may depend on whom, inside the workspace and outside it.

use std::collections::BTreeSet;
use std::process::Command;

use crate::error::{During, Failure};
use crate::system::workspace;
use crate::tidy::metadata::Package;

/// Package, workspace packages that it may name, foreign crates that its default features may pull in
/// directly.
const ALLOWED: [(&str, &[&str], &[&str]); 13] = [
    ("obs-guard", &[], &["libc"]),
    ("obs-context", &["obs-guard"], &["uuid"]),
    (
        "obs-http",
        &["obs-guard", "obs-context"],
        &["bytes", "http", "http-body", "pin-project-lite", "tower-layer", "tower-service"],
    ),
    ("obs-otlp", &["obs-guard", "obs-context"], &["percent-encoding"]),
    (
        "obs-logging",
        &["obs-guard", "obs-context", "obs-http", "obs-otlp"],
        &[
            "arc-swap",
            "itoa",
            "libc",
            "log",
            "pin-project-lite",
            "rustix",
            "signal-hook-registry",
            "tracing",
            "tracing-core",
            "tracing-subscriber",
            "zmij",
        ],
    ),
    (
        "obs-metrics",
        &["obs-guard", "obs-context", "obs-http", "obs-otlp"],
        &["arc-swap", "foldhash", "itoa", "libc", "tracing", "zmij"],
    ),
    (
        "obs-tracing",
        &["obs-guard", "obs-context", "obs-http", "obs-otlp"],
        &[
            "arc-swap",
            "bytes",
            "fastant",
            "http",
            "http-body-util",
            "hyper",
            "hyper-util",
            "tokio",
            "tracing",
            "tracing-core",
            "tracing-subscriber",
        ],
    ),
    (
        "obs-health",
        &["obs-guard", "obs-context", "obs-http"],
        &[
            "bytes",
            "http",
            "http-body",
            "http-body-util",
            "hyper",
            "hyper-util",
            "pin-project-lite",
            "serde_json",
            "subtle",
            "tokio",
            "tokio-util",
            "tower-layer",
            "tower-service",
            "tracing",
        ],
    ),
    (
        "obs-errors",
        &["obs-guard", "obs-context", "obs-http", "obs-otlp"],
        &[
            "backtrace",
            "bytes",
            "foldhash",
            "http",
            "humantime",
            "sentry-types",
            "serde_json",
            "tokio",
            "tracing",
            "tracing-subscriber",
        ],
    ),
    (
        "obs-profiling",
        &["obs-guard", "obs-context"],
        &[
            "blazesym",
            "cpp_demangle",
            "flate2",
            "framehop",
            "inferno",
            "libc",
            "nix",
            "object",
            "perf-event-open-sys",
            "prost",
            "rustc-demangle",
            "serde_json",
        ],
    ),
    ("obs-profile", &["obs-profiling"], &["clap", "nix", "ratatui", "serde_json", "signal-hook"]),
    (
        "obs-console",
        &["obs-guard", "obs-context"],
        &[
            "anstream",
            "bytes",
            "clap",
            "flate2",
            "getrandom",
            "http",
            "http-body",
            "http-body-util",
            "hyper",
            "hyper-util",
            "jiff",
            "memchr",
            "opentelemetry-proto",
            "percent-encoding",
            "prost",
            "rustix",
            "serde",
            "serde_json",
            "shlex",
            "tokio",
            "tonic",
            "tower-service",
        ],
    ),
    (
        "obs-all",
        &[
            "obs-guard",
            "obs-context",
            "obs-http",
            "obs-otlp",
            "obs-logging",
            "obs-metrics",
            "obs-tracing",
            "obs-errors",
            "obs-health",
            "obs-profiling",
        ],
        &["*"],
    ),
];

/// What obs-context must never depend on, directly or not.
const NEVER_IN_CONTEXT: [&str; 3] = ["tokio", "hyper", "opentelemetry"];

pub(crate) fn breaches(packages: &[Package]) -> Result<Vec<String>, Failure> {
    let mut breaches = Vec::new();
    for package in packages.iter().filter(|package| package.published) {
        let Some((_, ours, foreign)) = ALLOWED.iter().find(|(name, ..)| *name == package.name)
        else {
            breaches.push(format!(
                "{} is published and has no line in xtask/src/tidy/dependencies.rs: add what it may depend on",
                package.name
            ));
            continue;
        };
        let named = package.dependencies.iter().filter(|name| name.starts_with("obs-"));
        for name in named.filter(|name| !ours.contains(&name.as_str())) {
            breaches
                .push(format!("{} names {name}: pillars meet in obs-context only", package.name));
        }
        if foreign.contains(&"*") {
            continue;
        }
        for name in default_dependencies(&package.name, &["--depth", "1"])? {
            if !name.starts_with("obs-") && !foreign.contains(&name.as_str()) {
                breaches.push(format!(
                    "{} pulls in {name} by default: make it optional, or allow it in xtask/src/tidy/dependencies.rs",
                    package.name
                ));
            }
        }
    }
    for name in default_dependencies("obs-context", &[])? {
        if NEVER_IN_CONTEXT.iter().any(|never| name.starts_with(never)) {
            breaches.push(format!(
                "obs-context depends on {name}, which every user of one pillar would pay for"
            ));
        }
    }
    Ok(breaches)
}

/// The normal dependencies with default features, by cargo's own resolution.
fn default_dependencies(package: &str, depth: &[&str]) -> Result<BTreeSet<String>, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(depth)
        .current_dir(workspace())
        .output()
        .during("cargo tree")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(str::to_owned).collect())
}
