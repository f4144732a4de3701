//! From the paths of a crate's code to the files that define what they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Module, ModulePath, Modules};

/// Which file takes what from which other.
pub(super) type Ties = BTreeMap<(PathBuf, PathBuf), BTreeSet<String>>;

/// A chain of re-exports is no longer than this.
const MAX_REEXPORTS: usize = 16;

pub(super) fn ties(modules: &Modules) -> Ties {
    let mut ties = Ties::new();
    for (path, module) in modules {
        let imported = module.imports.iter().filter(|import| !import.is_reexport);
        let imported = imported.map(|import| &import.path);
        for named in imported.chain(&module.paths) {
            let Some((file, name)) = definition(modules, path, named, MAX_REEXPORTS) else {
                continue;
            };
            if file != module.file {
                let tie = (module.file.clone(), file.to_owned());
                ties.entry(tie).or_default().insert(name);
            }
        }
    }
    ties
}

/// The file that defines what `named` names in the module `from`, with the name; `None` for what is
/// of another crate, and for a module itself. A `mod.rs` that re-exports the name counts as its file, as it
/// does for a reader; the crate's root, which re-exports the public names, does not.
fn definition<'a>(
    modules: &'a Modules,
    from: &ModulePath,
    named: &[String],
    reexports: usize,
) -> Option<(&'a Path, String)> {
    let mut at = from.clone();
    for (position, segment) in named.iter().enumerate() {
        match segment.as_str() {
            "self" => continue,
            "crate" => {
                at.clear();
                continue;
            }
            "super" => {
                at.pop()?;
                continue;
            }
            _ => {}
        }
        let mut child = at.clone();
        child.push(segment.clone());
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        let module = modules.get(&at)?;
        if module.items.contains(segment) {
            return Some((&module.file, segment.clone()));
        }
        if at != *from && !at.is_empty() && module.reexports(segment) {
            return Some((&module.file, segment.clone()));
        }
        let rest = &named[position + 1..];
        return by_import(modules, &at, module, segment, rest, reexports.checked_sub(1)?);
    }
    None
}

/// What a name means that an import of the module `at` brings in.
fn by_import<'a>(
    modules: &'a Modules,
    at: &ModulePath,
    module: &Module,
    name: &str,
    rest: &[String],
    reexports: usize,
) -> Option<(&'a Path, String)> {
    let explicit = module.imports.iter().filter(|import| import.name == name);
    let explicit = explicit.map(|import| import.path.clone());
    let globs = module.imports.iter().filter(|import| import.name == "*");
    let globs = globs.map(|import| {
        let mut path = import.path.clone();
        path.push(name.to_owned());
        path
    });
    explicit.chain(globs).find_map(|mut path| {
        // `use name::..` of a crate with the name itself names no module of ours.
        if path.first().is_some_and(|first| first == name) {
            return None;
        }
        path.extend_from_slice(rest);
        definition(modules, at, &path, reexports)
    })
}
