//! The last reports of a process that exits by itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::queue::Queue;

/// How long `exit` waits for what was captured.
const AT_EXIT: Duration = Duration::from_secs(2);

static LIVE: Mutex<Vec<Weak<Queue>>> = Mutex::new(Vec::new());

/// From now on the queue is flushed when the process exits by itself.
pub(crate) fn register(queue: &Arc<Queue>) {
    obs_guard::at_exit(flush_all);
    obs_guard::watch_forks();
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|queue| queue.strong_count() > 0);
    live.push(Arc::downgrade(queue));
}

fn flush_all() {
    // A forked child may find the lock held by a thread that it does not have.
    let Ok(live) = LIVE.try_lock().map(|live| live.clone()) else { return };
    for queue in live.iter().filter_map(Weak::upgrade) {
        queue.flush(AT_EXIT);
    }
}
