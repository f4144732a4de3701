//! Limits of files: how many may be open, which a thousand connections meet, and how much the disk takes.

use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises this process's limit of open files as far as it may, and so that of its children.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// How much the file system of this path still takes, in gigabytes.
pub(crate) fn free_disk(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize) / 1_000_000_000)
}
