//! `cargo xtask tidy`: the invariants of docs/architecture.md, as checks.

mod commands;
mod dependencies;
mod files;
mod guides;
mod metadata;
mod modules;
mod names;

use crate::error::Failure;
pub(crate) use metadata::{examples, features, published, rust_version};

/// Checks everything and lists every breach.
pub(crate) fn run() -> Result<(), Failure> {
    let packages = metadata::packages()?;
    let mut breaches = dependencies::breaches(&packages)?;
    breaches.extend(files::breaches(&packages)?);
    breaches.extend(modules::breaches(&packages)?);
    if breaches.is_empty() {
        println!("tidy: {} packages, no breach", packages.len());
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    Err(Failure::new(format!(
        "{} breaches of docs/architecture.md; they are above",
        breaches.len()
    )))
}
