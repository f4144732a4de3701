//! Source paths without the build machine's part.

/// The crate and the path inside of it, of a source file as the compiler knows it: `sqlx-core-0.8.6/src/pool/mod.rs`
/// of one in a registry, `std/src/panicking.rs` of the standard library, `crates/shop/src/main.rs` as it is. An
/// absolute path tells about the machine that built the program, and nothing to who reads it elsewhere.
///
/// Costs a search of the text, and no allocation.
pub fn source_path(file: &str) -> &str {
    let separator = |letter: char| letter == '/' || letter == '\\';
    let after = |marker: &str, folders: usize| {
        let (_, rest) = file.rsplit_once(marker)?;
        let mut rest = rest;
        for _ in 0..folders {
            rest = rest.split_once(separator)?.1;
        }
        Some(rest)
    };
    let known = after("/registry/src/", 1)
        .or_else(|| after("\\registry\\src\\", 1))
        .or_else(|| after("/git/checkouts/", 2))
        .or_else(|| after("\\git\\checkouts\\", 2))
        .or_else(|| after("/rustlib/src/rust/library/", 0))
        .or_else(|| {
            file.strip_prefix("/rustc/")
                .and_then(|rest| rest.split_once("/library/"))
                .map(|(_, rest)| rest)
        });
    if let Some(known) = known {
        return known;
    }
    let is_absolute = file.starts_with(separator) || file.get(1..2) == Some(":");
    if !is_absolute {
        return file;
    }
    // The folder of the crate is the one that its sources lie in.
    let folders = ["/src/", "\\src\\", "/tests/", "/examples/", "/benches/"];
    let sources = folders.iter().filter_map(|folder| file.rfind(folder)).max();
    let start = match sources {
        Some(sources) => file.get(..sources).and_then(|above| above.rfind(separator)),
        None => file.rfind(separator),
    };
    start.and_then(|start| file.get(start + 1..)).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::source_path;

    #[test]
    fn path_of_build_machine_is_left_out() {
        for (file, shown) in [
            ("crates/shop/src/main.rs", "crates/shop/src/main.rs"),
            ("src/main.rs", "src/main.rs"),
            (
                "/opt/cargo/registry/src/index-1a2b/sqlx-core-0.8.6/src/pool/mod.rs",
                "sqlx-core-0.8.6/src/pool/mod.rs",
            ),
            ("/opt/cargo/git/checkouts/axum-1a2b/77ff/axum/src/lib.rs", "axum/src/lib.rs"),
            ("/rustc/59807616/library/std/src/panicking.rs", "std/src/panicking.rs"),
            ("/opt/rustup/lib/rustlib/src/rust/library/core/src/ops.rs", "core/src/ops.rs"),
            ("/build/shop/src/orders/mod.rs", "shop/src/orders/mod.rs"),
            ("/build/shop/tests/orders.rs", "shop/tests/orders.rs"),
            ("/build/generated.rs", "generated.rs"),
            ("C:\\build\\shop\\src\\main.rs", "shop\\src\\main.rs"),
            (
                "C:\\cargo\\registry\\src\\index-1a2b\\hyper-1.9.0\\src\\lib.rs",
                "hyper-1.9.0\\src\\lib.rs",
            ),
            ("/src/", "/src/"),
            ("/", ""),
            ("", ""),
            ("ä:", "ä:"),
        ] {
            assert_eq!(source_path(file), shown, "{file}");
        }
    }
}
