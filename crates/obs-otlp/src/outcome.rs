//! What became of a request.

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it tells whether telemetry was lost"]
pub enum Outcome {
    /// The collector has it.
    Delivered {
        /// How many of its items the collector refused.
        rejected: u64,
        /// What the collector said of that.
        message: String,
    },
    /// The collector does not have it, and will not get it.
    Lost {
        /// Why.
        reason: String,
    },
    /// An attempt was under way at the deadline: the collector may have it.
    Unknown {
        /// What it was waited for.
        reason: String,
    },
}
