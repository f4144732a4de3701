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
mod carrier;
mod current;
mod format;
mod propagated;
mod remote;
mod scope;
mod traceparent;
mod tracestate;

pub use baggage::Baggage;
pub use carrier::Carrier;
pub use current::{baggage, extract, inject};
pub use format::Propagators;
pub(crate) use propagated::PropagatedState;
pub(crate) use remote::Origin;
pub use remote::RemoteContext;
#[cfg(feature = "http")]
pub(crate) use scope::with_origin;
pub(crate) use traceparent::TraceParent;
pub(crate) use tracestate::{value as state_value, with as state_with};
