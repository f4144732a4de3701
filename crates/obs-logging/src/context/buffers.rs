//! A thread's pool of the buffers of closed spans.

use std::cell::RefCell;

use crate::context::fields::Fields;

const MAX_BUFFERS: usize = 32;

thread_local! {
    static BUFFERS: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
}

/// Empty fields, with the buffer of an earlier span if there is one.
pub(crate) fn take() -> Fields {
    let take = |buffers: &RefCell<Vec<Fields>>| buffers.try_borrow_mut().ok()?.pop();
    BUFFERS.try_with(take).ok().flatten().unwrap_or_default()
}

/// Keeps the buffer of a span for the next one of this thread.
pub(crate) fn give_back(mut fields: Fields) {
    let _ = BUFFERS.try_with(|buffers| {
        let Ok(mut buffers) = buffers.try_borrow_mut() else { return };
        if buffers.len() < MAX_BUFFERS && fields.has_modest_room() {
            fields.clear();
            buffers.push(fields);
        }
    });
}
