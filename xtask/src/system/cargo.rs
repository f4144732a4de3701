//! Cargo, and the programs that it builds.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{During, Failure};

/// The workspace's top folder.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Runs cargo in the workspace, with its output shown; an exit code other than 0 is a failure.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let shown = format!("cargo {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(&arguments).current_dir(workspace()).status();
    let status = status.during(&shown)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("`{shown}` failed; its output is above"))),
    }
}

/// The target directory, wherever it is: this program was built into a folder of it.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2);
    folder
        .map(Path::to_owned)
        .ok_or_else(|| Failure::new("no target directory is above this program"))
}

/// A program of the workspace that cargo has built in the development profile.
pub(crate) fn program(name: &str) -> Result<PathBuf, Failure> {
    // This program was built into the same folder, wherever the target directory is.
    let own = std::env::current_exe()?;
    let program = own.with_file_name(name);
    match program.is_file() {
        true => Ok(program),
        false => Err(Failure::new(format!("{} was not built", program.display()))),
    }
}
