//! What the system grants this program.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many open files as may be: sampling takes one for each thread on each processor.
pub(crate) fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
