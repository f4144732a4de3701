//! The guarded calls of the application's exporters.

use obs_guard::Place;
use obs_otlp::Outcome;

/// Exporters of the application's: its functions, and those of the SDK's kind.
pub(super) static EXPORTER: Place = Place::new("tracing.exporter");

/// The panic may come again with the same spans: they are lost.
pub(super) fn exporter_panicked() -> Outcome {
    lost("the exporter panicked: mend it, its panics are in the log")
}

pub(super) fn lost(reason: impl Into<String>) -> Outcome {
    Outcome::Lost { reason: reason.into() }
}
