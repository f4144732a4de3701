//! Which error this thread is logging.

use std::cell::Cell;

use crate::report::ErrorId;

thread_local! {
    /// The error that is being logged.
    static ID: Cell<Option<ErrorId>> = const { Cell::new(None) };
}

/// The error that the calling code is logging, for whoever writes that line or that span.
pub fn current_error_id() -> Option<ErrorId> {
    ID.try_with(Cell::get).ok().flatten()
}

/// Makes an error the one that `work` logs.
pub fn with_current_id<R>(id: Option<ErrorId>, work: impl FnOnce() -> R) -> R {
    struct Restored(Option<ErrorId>);
    impl Drop for Restored {
        fn drop(&mut self) {
            let _gone_with_its_thread = ID.try_with(|current| current.set(self.0));
        }
    }
    if id.is_none() {
        return work();
    }
    let _restored = Restored(ID.try_with(|current| current.replace(id)).ok().flatten());
    work()
}
