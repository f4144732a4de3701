//! Which full files are kept.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The length of `20260619T102345.123456Z`.
const TIME: usize = 23;

/// Full files of this process's logs that could not be removed, or not be listed.
static FAILED_REMOVALS: AtomicU64 = AtomicU64::new(0);

/// How often a removal has failed: the metric `obs_log_removals_failed_total`.
pub(crate) fn failed_removals() -> u64 {
    FAILED_REMOVALS.load(Ordering::Relaxed)
}

/// How much is kept of the full files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retention {
    pub(super) files: Option<usize>,
    pub(super) bytes: Option<u64>,
}

impl Retention {
    /// Removes the oldest full files, but none that is newer than `newest`: that of the rotation after
    /// which this is done. What cannot be removed stays and is counted: the next rotation tries again.
    pub(super) fn apply(self, path: &Path, newest: &Path) {
        if self.files.is_none() && self.bytes.is_none() {
            return;
        }
        let mut bytes = 0;
        let files = newest_first(path).unwrap_or_else(|_| {
            FAILED_REMOVALS.fetch_add(1, Ordering::Relaxed);
            Vec::new()
        });
        for (position, (file, length)) in files.into_iter().enumerate() {
            bytes += length;
            let is_too_many = self.files.is_some_and(|most| position >= most);
            let is_excess = is_too_many || self.bytes.is_some_and(|most| bytes > most);
            if is_excess && file.file_name() <= newest.file_name() {
                match fs::remove_file(file) {
                    Ok(()) => {}
                    // Another process has done it.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(_) => {
                        FAILED_REMOVALS.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// The name of a full file: that of the log file, and the time.
pub(super) fn full_name(path: &Path, time: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".");
    name.push(time);
    PathBuf::from(name)
}

/// The full files of this log file and their lengths. Other files that begin alike are left out.
fn newest_first(path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_full = |name: &str| {
        name.strip_prefix(&own).and_then(|rest| rest.strip_prefix('.')).is_some_and(is_time)
    };
    let mut files: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| is_full(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect();
    files.sort_by(|one, other| other.0.cmp(&one.0));
    Ok(files)
}

fn is_time(text: &str) -> bool {
    text.len() == TIME
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'.',
            22 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}
