//! The limit of open files, which a thousand connections meet.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises this process's limit of open files as far as it may, and so that of its children.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}
