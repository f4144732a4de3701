//! The outcome of a request.

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it says whether telemetry was lost"]
pub enum Outcome {
    /// The collector accepted it.
    Delivered {
        /// How many of its items the collector rejected.
        rejected: u64,
        /// The collector's message.
        message: String,
    },
    /// The collector does not have it, and it is not retried.
    Lost {
        /// Why.
        reason: String,
    },
    /// An attempt was in flight at the deadline: the collector may have it.
    Unknown {
        /// Why the outcome is not known.
        reason: String,
    },
}
