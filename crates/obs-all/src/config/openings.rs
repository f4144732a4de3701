//! Access to the pillars' own builders, and layers of the application.

use std::sync::Arc;

use obs_logging::stage::Stage;
use obs_logging::{Builder, LogLayer, Logging, Output};
use tracing_subscriber::{Layer, Registry};

/// Layers of the application, in the order in which they were added.
pub(crate) type Layers = Vec<Box<dyn Layer<Registry> + Send + Sync>>;

pub(crate) type TraceChange =
    Arc<dyn Fn(obs_tracing::Builder) -> obs_tracing::Builder + Send + Sync>;

#[cfg(feature = "errors")]
pub(crate) type ErrorChange = Arc<dyn Fn(obs_errors::Builder) -> obs_errors::Builder + Send + Sync>;

/// Makes a layer of a builder after the application has changed it; for records, with the output and
/// the filter that are not the application's to change.
pub(crate) type LogChange =
    Arc<dyn Fn(Builder, Option<Records<'_>>) -> Result<Logs, obs_logging::Error> + Send + Sync>;

pub(crate) type Logs = (LogLayer<Registry>, Logging);

/// The output of records for a collector, and the lines whose filter they share.
pub(crate) struct Records<'a> {
    pub(crate) output: Output,
    pub(crate) lines: &'a Logging,
}

pub(crate) fn log_change<S: Stage>(
    change: impl Fn(Builder) -> Builder<S> + Send + Sync + 'static,
) -> LogChange {
    Arc::new(move |builder, records| build(change(builder), records))
}

pub(crate) fn build<S: Stage>(
    builder: Builder<S>,
    records: Option<Records<'_>>,
) -> Result<Logs, obs_logging::Error> {
    match records {
        None => builder.build(),
        Some(Records { output, lines }) => builder.filter_of(lines).output(output).build(),
    }
}
