//! Context propagation: from one service to the next, in headers.
//!
//! ```
//! use std::collections::HashMap;
//! use obs_tracing::propagate;
//!
//! let message = HashMap::from([(
//!     "traceparent".to_owned(),
//!     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
//! )]);
//! let remote = propagate::extract(&message);
//! assert!(remote.is_valid() && remote.is_sampled());
//! let span = remote.scope(|| tracing::info_span!("consume"));   // a child of the sender's span
//! # drop(span);
//! ```

mod baggage;
mod carried;
mod carrier;
mod format;
mod remote;
mod scope;
mod traceparent;
mod tracestate;

pub use baggage::Baggage;
pub(crate) use carried::Carried;
pub use carrier::Carrier;
pub use format::Propagators;
pub(crate) use remote::Origin;
pub use remote::RemoteContext;
#[cfg(feature = "http")]
pub(crate) use scope::within;
pub(crate) use traceparent::TraceParent;
pub(crate) use tracestate::{value as state_value, with as state_with};

use crate::local;

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

impl Propagators {
    /// Writes the current span's context; see [`inject()`].
    pub fn inject<C: Carrier + ?Sized>(&self, headers: &mut C) {
        let current = local::with(|local| local.innermost().map(|entry| entry.identity.clone()));
        if let Some(span) = current.flatten() {
            self.write(&span, headers);
        }
    }
}

/// The baggage of the current span.
pub fn baggage() -> Baggage {
    let carried = local::with(|local| local.innermost()?.identity.carried.clone()).flatten();
    carried.map(|carried| carried.baggage.clone()).unwrap_or_default()
}
