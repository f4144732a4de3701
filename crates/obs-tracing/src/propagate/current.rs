//! Propagates the context of the current span.

use super::baggage::Baggage;
use super::carrier::Carrier;
use super::format::Propagators;
use super::remote::RemoteContext;
use crate::thread_state;

/// What the headers of a request or a message bring along, in the W3C formats.
///
/// Nothing in them can fail: what the specifications do not allow is left out.
pub fn extract<C: Carrier + ?Sized>(headers: &C) -> RemoteContext {
    Propagators::default().extract(headers)
}

/// Writes the current span's context into the headers of an outgoing request or message, in the W3C
/// formats. Unsampled traces are propagated too: the next service must not begin a new one.
///
/// Outside every span it changes nothing.
pub fn inject<C: Carrier + ?Sized>(headers: &mut C) {
    Propagators::default().inject(headers);
}

/// The baggage of the current span.
pub fn baggage() -> Baggage {
    let propagated =
        thread_state::with(|thread| thread.innermost()?.span_context.propagated.clone()).flatten();
    propagated.map(|propagated| propagated.baggage.clone()).unwrap_or_default()
}
