//! Whether a thread is inside a writer: a writer that logs must neither wait for itself nor go round in
//! circles.

use std::cell::Cell;

use obs_guard::Place;

/// The writer is the application's.
pub(super) static WRITER: Place = Place::new("logging.writer");

thread_local! {
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Does what a thread does inside the writer; nothing where it is inside already.
#[inline]
pub(super) fn once<R>(work: impl FnOnce() -> R) -> Option<R> {
    if WRITING.try_with(|writing| writing.replace(true)).unwrap_or(false) {
        return None;
    }
    let done = work();
    let _ = WRITING.try_with(|writing| writing.set(false));
    Some(done)
}

pub(super) fn is_writing() -> bool {
    WRITING.try_with(Cell::get).unwrap_or(true)
}
