//! `cargo xtask platforms`: each published library on the platforms and the Rust version that it is for.

use std::process::{Command, Stdio};

use crate::error::{During, Failure};
use crate::system::{target, workspace};
use crate::tidy;

/// Of the target directory: other steps of CI run beside it.
pub(crate) const FOLDER: &str = "platforms";

const TARGETS: [&str; 4] = [
    "aarch64-apple-darwin",
    "aarch64-unknown-linux-gnu",
    "x86_64-pc-windows-gnu",
    "x86_64-unknown-linux-musl",
];
/// Libraries whose default features have TLS, which needs a C compiler of the target: the features that do not.
const WITHOUT_C: [(&str, &str); 2] = [("obs-all", "axum,telemetry"), ("obs-errors", "http,sentry")];

/// Checks them all; what cannot be had is left out, which it says.
pub(crate) fn run() -> Result<(), Failure> {
    let mut failed = Vec::new();
    for (library, features) in WITHOUT_C {
        println!("left out: {library}'s TLS, which needs C compilers; it has {features}");
    }
    for target in TARGETS {
        if !has_target(target) {
            println!("left out: {target} is not installed (rustup target add {target})");
            continue;
        }
        let libraries = tidy::published()?;
        let (without_c, others): (Vec<_>, Vec<_>) =
            libraries.iter().partition(|library| WITHOUT_C.iter().any(|(name, _)| name == library));
        let mut arguments = vec!["check", "--quiet", "--lib", "--target", target];
        for library in &others {
            arguments.extend(["-p", library]);
        }
        if !cargo(None, &arguments)? {
            failed.push(format!("one of {others:?} on {target}"));
        }
        for library in without_c {
            let found = WITHOUT_C.iter().find(|(name, _)| name == library);
            let features = found.map_or("", |(_, features)| features);
            let arguments = ["check", "--quiet", "--lib", "-p", library, "--target", target];
            let chosen = ["--no-default-features", "--features", features];
            if !cargo(None, &[&arguments[..], &chosen].concat())? {
                failed.push(format!("{library} on {target}"));
            }
        }
        println!("{target}: checked");
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!("does not compile: {}", failed.join(", ")))),
    }
}

/// The oldest supported Rust, where its toolchain is installed.
pub(crate) fn oldest_rust() -> Result<(), Failure> {
    let version = tidy::rust_version()?;
    let toolchain = format!("{version}.0");
    let mut arguments = vec!["check", "--quiet", "--lib", "--ignore-rust-version"];
    let published = tidy::published()?;
    for library in &published {
        arguments.extend(["-p", library]);
    }
    if !cargo(Some(&toolchain), &["--version"]).unwrap_or(false) {
        println!(
            "left out: Rust {version} is not installed (rustup toolchain install {toolchain})"
        );
        return Ok(());
    }
    match cargo(Some(&toolchain), &arguments)? {
        true => Ok(()),
        false => Err(Failure::new(format!("it does not compile with Rust {version}"))),
    }
}

fn has_target(target: &str) -> bool {
    let installed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .current_dir(workspace())
        .output();
    installed.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        std::path::Path::new(&folder).is_dir()
    })
}

/// Whether cargo succeeds, of the pinned toolchain or of this one.
fn cargo(toolchain: Option<&str>, arguments: &[&str]) -> Result<bool, Failure> {
    let mut command = match toolchain {
        None => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        Some(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, "cargo"]).env_remove("RUSTUP_TOOLCHAIN");
            command
        }
    };
    if arguments == ["--version"] {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    command
        .args(arguments)
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target()?.join(FOLDER));
    Ok(command.status().during("cargo")?.success())
}
