//! The last reports of a process that exits by itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::queue::Queue;

/// How long `exit` waits for the reports.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static QUEUES: Mutex<Vec<Weak<Queue>>> = Mutex::new(Vec::new());

/// From now on the queue is flushed when the process exits by itself.
pub(crate) fn register(queue: &Arc<Queue>) {
    obs_guard::at_exit(flush_all);
    obs_guard::watch_forks();
    let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    queues.retain(|queue| queue.strong_count() > 0);
    queues.push(Arc::downgrade(queue));
}

fn flush_all() {
    // A forked child may find the lock held by a thread that it does not have.
    let Ok(queues) = QUEUES.try_lock().map(|queues| queues.clone()) else { return };
    for queue in queues.iter().filter_map(Weak::upgrade) {
        queue.flush(EXIT_FLUSH_TIMEOUT);
    }
}
