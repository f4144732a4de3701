//! What is printed for others to read.

use std::io::{self, ErrorKind, Write};

/// Prints all of it, and answers whether the reader is still there: `head` may have had enough, which is no
/// failure. A full disk is one.
pub(crate) fn print(text: &str) -> Result<bool, String> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("standard output: {error}; free its disk, or print elsewhere")),
    }
}
