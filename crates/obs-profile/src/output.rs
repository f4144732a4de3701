//! The file that a profile is written to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

/// Opened before a recording, so that mistakes show at once; what was in it stays until there is
/// something to write.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    /// It was not there before, and is to be gone when nothing is written.
    is_new: bool,
}

impl Output {
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        let opened = match options.write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).open(path).map(|file| (file, false))
            }
            opened => opened.map(|file| (file, true)),
        };
        match opened {
            Ok((file, is_new)) => Ok(Self { path: path.to_owned(), file, is_new }),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Makes room for what is written now.
    pub(crate) fn begin(&self) -> io::Result<BufWriter<&File>> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        Ok(BufWriter::new(&self.file))
    }

    pub(crate) fn keep(mut self) {
        self.is_new = false;
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
