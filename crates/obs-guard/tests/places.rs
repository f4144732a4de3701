//! The list of the toolkit's places is whole.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn toolkit_places_count_from_zero() {
    let mut texts = Vec::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in fs::read_dir(crates).unwrap() {
        let source = folder.unwrap().path().join("src");
        if source.is_dir() {
            sources(&source, &mut texts);
        }
    }
    let mut found = BTreeSet::new();
    for text in &texts {
        for rest in text.split("static ").skip(1) {
            let Some((declared, rest)) = rest.split_once("Place::new(\"") else { continue };
            if declared.trim_end().ends_with(": Place =") {
                found.insert(rest.split('"').next().unwrap().to_owned());
            }
        }
    }
    let mut known = BTreeSet::new();
    obs_guard::each_place(|name, panics| {
        assert_eq!(panics, 0, "{name}");
        known.insert(name.to_owned());
    });
    assert_eq!(known, found);
}
