//! What every file and every crate must be like.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use crate::error::{During, Failure};
use crate::system::workspace;
use crate::tidy::metadata::Package;
use crate::tidy::{commands, guides, names};

/// The top level holds these, and dot files.
const TOP_LEVEL: [&str; 15] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "xtask",
];
const MAX_FILE_LINES: usize = 450;
const MAX_CONTEXT_LINES: usize = 650;

/// A global of the process, and the only files that may set it: those whose public name says so.
const GLOBALS: [(&str, &[&str]); 4] = [
    ("set_global_default(", &["crates/obs-all/src/init.rs"]),
    ("set_boxed_logger(", &["crates/obs-logging/src/bridge.rs"]),
    ("set_logger(", &["crates/obs-logging/src/bridge.rs"]),
    ("panic::set_hook(", &["crates/obs-errors/src/panic.rs", "crates/obs-logging/src/panic.rs"]),
];

/// Text that must not be committed: written in pieces, so that this file may be.
const NEVER: [&str; 7] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("index.crates", ".io"),
];

pub(crate) fn breaches(packages: &[Package]) -> Result<Vec<String>, Failure> {
    let root = workspace();
    let mut breaches = Vec::new();
    let mut functions = HashSet::new();
    let mut pages = Vec::new();
    for file in tracked()? {
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        let first = file.split('/').next().unwrap_or_default();
        if !first.starts_with('.') && !TOP_LEVEL.contains(&first) {
            breaches.push(format!("{file}: the top level holds only {TOP_LEVEL:?}"));
        }
        if file != "Cargo.lock" {
            for never in NEVER.iter().filter(|never| text.contains(*never)) {
                breaches.push(format!("{file}: has {never:?}"));
            }
        }
        if file.ends_with(".rs") {
            breaches.extend(of_source(&file, &text));
            breaches.extend(names::breaches(&file, &text));
            functions.extend(guides::functions_of(&text));
        }
        if file.ends_with(".md") {
            pages.push((file, text));
        }
    }
    let main = std::fs::read_to_string(root.join("xtask/src/main.rs")).during("xtask")?;
    let of_xtask = commands::commands_of_xtask(&main);
    for (page, text) in &pages {
        breaches.extend(commands::breaches(page, text, packages, &of_xtask));
        breaches.extend(guides::breaches(page, text, &functions));
    }
    for package in packages {
        breaches.extend(of_package(package));
    }
    let context = lines_below(&root.join("crates/obs-context/src"))?;
    if context > MAX_CONTEXT_LINES {
        breaches
            .push(format!("obs-context has {context} lines: it stays under {MAX_CONTEXT_LINES}"));
    }
    Ok(breaches)
}

fn of_source(file: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_FILE_LINES {
        breaches.push(format!("{file}: {lines} lines; are there two rooms in one?"));
    }
    if !file.contains("/src/") || file.starts_with("xtask") || file.starts_with("crates/obs-bench")
    {
        return breaches;
    }
    for (setter, allowed) in GLOBALS {
        if text.contains(setter) && !allowed.contains(&file) {
            breaches
                .push(format!("{file}: {setter}..) sets a global that the user did not ask for"));
        }
    }
    if text.contains("unsafe {") && !(text.contains("unsafe_code") && text.contains("reason = ")) {
        breaches.push(format!("{file}: unsafe without lifting the ban with a reason"));
    }
    breaches
}

fn of_package(package: &Package) -> Vec<String> {
    let mut breaches = Vec::new();
    let name = &package.name;
    if !package.described {
        breaches.push(format!("{name}: no description in Cargo.toml"));
    }
    if !package.published {
        return breaches;
    }
    if !package.folder.join("README.md").is_file() {
        breaches.push(format!("{name}: no README.md"));
    }
    let root = ["src/lib.rs", "src/main.rs"].map(|file| package.folder.join(file));
    let root = root.into_iter().find_map(|file| std::fs::read_to_string(file).ok());
    if !root.is_some_and(|root| root.starts_with("#![doc = include_str!(\"../README.md\")]")) {
        breaches.push(format!("{name}: its root does not begin with its README as documentation"));
    }
    breaches
}

fn tracked() -> Result<Vec<String>, Failure> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .output()
        .during("git ls-files")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn lines_below(folder: &Path) -> Result<usize, Failure> {
    let mut lines = 0;
    for entry in std::fs::read_dir(folder)? {
        lines += std::fs::read_to_string(entry?.path()).unwrap_or_default().lines().count();
    }
    Ok(lines)
}
