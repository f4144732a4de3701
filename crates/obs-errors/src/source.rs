//! Lines of source files, where they are at hand: on the machine that built the program.

use std::collections::VecDeque;
use std::fs;

use obs_guard::truncated;

use crate::report::Source;

/// Files that are remembered.
const MAX_CACHED_FILES: usize = 16;
/// Larger files are not read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Lines before and after.
const CONTEXT_LINES: usize = 5;
/// Bytes of one line.
const MAX_LINE_BYTES: usize = 256;

/// The lines of the files that were read last; `None` for a file that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct SourceCache(VecDeque<(String, Option<Vec<String>>)>);

impl SourceCache {
    /// The lines around a line, which is counted from 1.
    pub(crate) fn context(&mut self, file: &str, line: u32) -> Option<Source> {
        let lines = self.lines(file)?;
        let at = (line as usize).checked_sub(1)?;
        let before = lines.get(at.saturating_sub(CONTEXT_LINES)..at)?;
        let after = lines.get(at + 1..lines.len().min(at + 1 + CONTEXT_LINES)).unwrap_or_default();
        Some(Source {
            before: before.to_vec(),
            line: lines.get(at)?.clone(),
            after: after.to_vec(),
        })
    }

    fn lines(&mut self, file: &str) -> Option<&[String]> {
        let known = self.0.iter().position(|(name, _)| name == file);
        let at = known.unwrap_or_else(|| {
            self.0.truncate(MAX_CACHED_FILES - 1);
            self.0.push_front((file.to_owned(), read(file)));
            0
        });
        self.0.get(at)?.1.as_deref()
    }
}

fn read(file: &str) -> Option<Vec<String>> {
    let metadata = fs::metadata(file).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES || !file.ends_with(".rs") {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let truncate = |line: &str| truncated(line, MAX_LINE_BYTES).to_owned();
    Some(text.lines().map(truncate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_lines_around_line_are_read() {
        let mut sources = SourceCache::default();
        let here =
            sources.context(concat!(env!("CARGO_MANIFEST_DIR"), "/src/source.rs"), 1).unwrap();
        assert!(here.line.starts_with("//! Lines of source files"));
        assert_eq!((here.before.len(), here.after.len()), (0, 5));
        assert_eq!(sources.context("/no/such/file.rs", 1), None);
        assert_eq!(sources.context("/etc/passwd", 1), None);
        assert_eq!(
            sources.context(concat!(env!("CARGO_MANIFEST_DIR"), "/src/source.rs"), 100_000),
            None
        );
        assert_eq!(sources.context(concat!(env!("CARGO_MANIFEST_DIR"), "/src/source.rs"), 0), None);
    }
}
