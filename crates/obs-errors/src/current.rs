//! The id of the error that this thread is logging.

use std::cell::Cell;

use crate::report::ErrorId;

thread_local! {
    /// The id of the error that is being logged.
    static CURRENT_ID: Cell<Option<ErrorId>> = const { Cell::new(None) };
}

/// The id of the error that this thread is logging, for the log line and the span.
pub fn current_error_id() -> Option<ErrorId> {
    CURRENT_ID.try_with(Cell::get).ok().flatten()
}

/// Runs `work` with this id as the current one.
pub fn with_current_id<R>(id: Option<ErrorId>, work: impl FnOnce() -> R) -> R {
    struct RestoreId(Option<ErrorId>);
    impl Drop for RestoreId {
        fn drop(&mut self) {
            let _gone_with_its_thread = CURRENT_ID.try_with(|current| current.set(self.0));
        }
    }
    if id.is_none() {
        return work();
    }
    let _restore = RestoreId(CURRENT_ID.try_with(|current| current.replace(id)).ok().flatten());
    work()
}
