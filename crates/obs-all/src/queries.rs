//! SQL queries in the metrics: the traces see every one, also of traces that nobody keeps.

use obs_metrics::Registry;
use obs_metrics::db::{DbMetrics, Operation};
use obs_tracing::{Builder, Query};

/// Measures the queries that these traces see.
pub(crate) fn measured(
    traces: Builder,
    registry: &Registry,
) -> Result<Builder, obs_metrics::Error> {
    let metrics = DbMetrics::new(registry, DbMetrics::buckets())?;
    Ok(traces.on_query(move |query| metrics.observe(&operation(query), query.duration)))
}

fn operation<'a>(query: &Query<'a>) -> Operation<'a> {
    Operation {
        system: query.system.unwrap_or_default(),
        namespace: query.namespace.unwrap_or_default(),
        name: query.operation.unwrap_or_default(),
        collection: query.collection.unwrap_or_default(),
        error_type: "",
    }
}
