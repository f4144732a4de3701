//! A request id as the value of a header, without an allocation of its own.

use std::cell::Cell;

use bytes::BytesMut;
use http::HeaderValue;
use obs_context::RequestId;

/// Bytes that a thread's ids share: 56 of those that are minted. A value that is kept keeps all of them.
const SHARED: usize = 2048;

thread_local! {
    static BUFFER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// The id's text as a part of a buffer, which is used again once no header refers to it.
pub(super) fn value(id: &RequestId) -> Option<HeaderValue> {
    let text = id.as_bytes();
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default(); // none at the thread's end
    if buffer.capacity() == 0 {
        buffer = BytesMut::with_capacity(SHARED);
    }
    buffer.extend_from_slice(text);
    let value = HeaderValue::from_maybe_shared(buffer.split().freeze());
    let _ = BUFFER.try_with(|kept| kept.set(buffer));
    value.ok()
}
