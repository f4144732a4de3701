//! Locks between processes that write one file and rotate it: shared by those that write, exclusive for
//! the one that renames.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A process that was stopped while it held the lock does not stop the others for longer.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// How long to wait before the next try.
const RETRY_INTERVAL: Duration = Duration::from_micros(200);

/// Tries until it is there or the time is up. A file system without locks answers `true`: whoever is
/// alone does not need them.
fn within(file: &File, lock: FlockOperation) -> bool {
    let mut begun = None;
    while flock(file, lock) == Err(Errno::WOULDBLOCK) {
        if begun.get_or_insert_with(Instant::now).elapsed() > LOCK_TIMEOUT {
            return false;
        }
        thread::sleep(RETRY_INTERVAL);
    }
    true
}

/// For a write. Without the lock the line is written all the same.
pub(super) fn share(file: &File) {
    let _written_without = within(file, FlockOperation::NonBlockingLockShared);
}

/// For a rotation; `false` where it has to wait for the next time.
pub(super) fn exclude(file: &File) -> bool {
    within(file, FlockOperation::NonBlockingLockExclusive)
}

pub(super) fn release(file: &File) {
    // It fails only where there are no locks.
    let _no_locks = flock(file, FlockOperation::Unlock);
}
