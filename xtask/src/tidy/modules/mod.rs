//! Files of a crate import downwards only: which files take names from which, and the circles in that.

mod graph;
mod resolve;
mod source;

use std::path::{Path, PathBuf};

use crate::error::Failure;
use crate::system::workspace;
use crate::tidy::metadata::Package;

/// One line for each circle of files in a package, with what ties it.
pub(crate) fn breaches(packages: &[Package]) -> Result<Vec<String>, Failure> {
    let mut breaches = Vec::new();
    for root in packages.iter().flat_map(|package| &package.roots) {
        breaches.extend(circles_below(root)?);
    }
    Ok(breaches)
}

fn circles_below(root: &Path) -> Result<Vec<String>, Failure> {
    let modules = source::modules_below(root)?;
    let ties = resolve::ties(&modules);
    let circles = graph::circles(ties.keys().map(|(from, to)| (from.as_path(), to.as_path())));
    Ok(circles.into_iter().map(|circle| describe(&circle, &ties)).collect())
}

fn describe(circle: &[PathBuf], ties: &resolve::Ties) -> String {
    let short = |path: &Path| path.strip_prefix(workspace()).unwrap_or(path).display().to_string();
    let mut text = format!("{} files import one another in a circle:", circle.len());
    for ((from, to), names) in ties {
        if circle.contains(from) && circle.contains(to) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            text += &format!("\n    {} takes {} from {}", short(from), names.join(", "), short(to));
        }
    }
    text
}
