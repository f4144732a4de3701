//! Every test that a guide names is there.

use std::collections::HashSet;

/// The tests that the Markdown file `path` names in its tables and that no source has.
pub(crate) fn breaches(path: &str, guide: &str, functions: &HashSet<String>) -> Vec<String> {
    let missing = tests_named_in(guide).into_iter().filter(|test| !functions.contains(test));
    missing.map(|test| format!("{path}: names the test `{test}`, which no source has")).collect()
}

/// The functions that a source file defines.
pub(crate) fn functions_of(source: &str) -> impl Iterator<Item = String> {
    source.split("fn ").skip(1).map(|rest| {
        rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    })
}

/// What stands in backticks in the columns that are headed `test`.
fn tests_named_in(guide: &str) -> Vec<String> {
    let mut tests = Vec::new();
    // Where the column is in the table that is being read, if it has one.
    let mut table: Option<Option<usize>> = None;
    for line in guide.lines() {
        let Some(row) = line.trim().strip_prefix('|') else {
            table = None;
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        match table {
            None => table = Some(cells.iter().position(|cell| *cell == "test")),
            Some(None) => {}
            Some(Some(at)) => {
                let cell = cells.get(at).copied().unwrap_or_default();
                let named = cell.split('`').skip(1).step_by(2);
                tests.extend(named.filter(|name| is_function(name)).map(str::to_owned));
            }
        }
    }
    tests
}

/// A command, such as `cargo test`, may stand there, too.
fn is_function(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guide_with_missing_test_is_breach() {
        let guide = "| what | test |\n| --- | --- |\n| a | `here`, `gone` |\n| b | `cargo bench` |\n\n\
                     | what | other |\n| --- | --- |\n| a | `not_a_test` |\n";
        let functions = functions_of("#[test]\nfn here() {}\npub(crate) fn x<T>() {}").collect();
        assert_eq!(
            breaches("docs/a.md", guide, &functions),
            ["docs/a.md: names the test `gone`, which no source has"]
        );
    }
}
