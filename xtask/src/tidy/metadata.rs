//! What cargo knows of the workspace.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::error::{During, Failure};
use crate::system::workspace;

/// A package of the workspace.
#[derive(Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) described: bool,
    pub(crate) published: bool,
    /// Every dependency that is not for tests alone.
    pub(crate) dependencies: Vec<String>,
    pub(crate) examples: Vec<String>,
    /// `default` among them where it holds any.
    pub(crate) features: Vec<String>,
    /// Names of its tests, benches, examples and programs.
    pub(crate) targets: Vec<String>,
    /// The root files of its library and its programs.
    pub(crate) roots: Vec<PathBuf>,
}

pub(crate) fn packages() -> Result<Vec<Package>, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace())
        .output()
        .during("cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).during("cargo metadata")?;
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(packages.iter().map(package).collect())
}

/// The names of the packages that users get.
pub(crate) fn published() -> Result<Vec<String>, Failure> {
    let packages = packages()?;
    Ok(packages
        .into_iter()
        .filter(|package| package.published)
        .map(|package| package.name)
        .collect())
}

/// The published packages with their features, `default` among them where it holds any.
pub(crate) fn features() -> Result<Vec<(String, Vec<String>)>, Failure> {
    let published = packages()?.into_iter().filter(|package| package.published);
    Ok(published.map(|package| (package.name, package.features)).collect())
}

/// The oldest Rust that the workspace supports, such as `1.88`.
pub(crate) fn rust_version() -> Result<String, Failure> {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).during("Cargo.toml")?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    let version = line.and_then(|rest| rest.split('"').next());
    version.map(str::to_owned).ok_or_else(|| Failure::new("Cargo.toml has no rust-version"))
}

/// Package and name of every example.
pub(crate) fn examples() -> Result<Vec<(String, String)>, Failure> {
    let of = |package: Package| {
        let name = package.name;
        package.examples.into_iter().map(move |example| (name.clone(), example))
    };
    Ok(packages()?.into_iter().flat_map(of).collect())
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| package[name].as_array().map_or(&[][..], Vec::as_slice);
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    let of_kind = |target: &&Value| target["kind"][0] == "example";
    let is_product = |target: &&Value| matches!(target["kind"][0].as_str(), Some("lib" | "bin"));
    Package {
        name: text(&package["name"]),
        folder: manifest.parent().map(PathBuf::from).unwrap_or_default(),
        described: !text(&package["description"]).is_empty(),
        published: package["publish"].is_null(),
        dependencies: list("dependencies")
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .collect(),
        examples: list("targets")
            .iter()
            .filter(of_kind)
            .map(|target| text(&target["name"]))
            .collect(),
        features: package["features"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, holds)| {
                *name != "default" || holds.as_array().is_some_and(|it| !it.is_empty())
            })
            .map(|(name, _)| name)
            .cloned()
            .collect(),
        targets: list("targets").iter().map(|target| text(&target["name"])).collect(),
        roots: list("targets")
            .iter()
            .filter(is_product)
            .map(|target| PathBuf::from(text(&target["src_path"])))
            .collect(),
    }
}
