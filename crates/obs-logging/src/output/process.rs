//! The moment in a process's life that a writer's thread does not survive: `exit`.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::state::QueueState;

/// How long `exit` waits for each output.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static LIVE: Mutex<Vec<Weak<QueueState>>> = Mutex::new(Vec::new());

/// From now on the queue is flushed when the process exits by itself (`std::process::exit`, or the end
/// of `main`), and a forked child knows that it has no worker.
pub(super) fn register(shared: &Arc<QueueState>) {
    obs_guard::at_exit(flush_all);
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|queue| queue.strong_count() > 0);
    live.push(Arc::downgrade(shared));
}

fn flush_all() {
    // A forked child may find the lock held by a thread that it does not have.
    let Ok(live) = LIVE.try_lock().map(|live| live.clone()) else { return };
    for queue in live.iter().filter_map(Weak::upgrade) {
        queue.wait_for_flush(EXIT_FLUSH_TIMEOUT);
    }
}
