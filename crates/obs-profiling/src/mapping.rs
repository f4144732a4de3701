//! Where a process has mapped the code of a program or library.

use std::ops::Range;
use std::sync::Arc;

/// Code of a file at its addresses in a process: what it takes to find the functions of a stripped program
/// later, by another copy of it that has its symbols.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mapping {
    /// Its addresses in the process.
    pub range: Range<u64>,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// The file, as the process calls it; `[vdso]`, `//anon` or nothing for memory without one.
    pub file: Arc<str>,
    /// The linker's id of the file's content, in hexadecimal, as `readelf -n` shows it. `None` where it has
    /// none, or cannot be read.
    pub build_id: Option<Arc<str>>,
    /// An address in the process less this is the one that the file's symbols count by, and that
    /// `addr2line` takes; wraps around. `None` where the file cannot be read.
    pub base: Option<u64>,
    /// The last part of the file's path.
    pub(crate) name: Arc<str>,
    /// Whether the file has its symbols: what has no name then has none anywhere.
    pub(crate) has_symbols: bool,
}
