//! The duration of a database client's operations.

use std::time::Duration;

use crate::buckets::Buckets;
use crate::error::Error;
use crate::family::HistogramVec;
use crate::registry::Registry;

/// Measures what a database client does, by OpenTelemetry's semantic conventions:
/// `db_client_operation_duration_seconds`, pushed as `db.client.operation.duration`, with the labels
/// `db_system_name`, `db_namespace`, `db_operation_name`, `db_collection_name` and `error_type`, of which those
/// that say nothing are empty.
///
/// Statements that are made up at run time may name ever new tables: they fill the family's limit of series,
/// and those past it share one.
///
/// ```
/// use std::time::Duration;
/// use obs_metrics::Registry;
/// use obs_metrics::db::{DbMetrics, Operation};
///
/// let registry = Registry::new();
/// let metrics = DbMetrics::new(&registry, DbMetrics::buckets())?;
/// let select = Operation { system: "postgresql", name: "SELECT", collection: "orders", ..Operation::default() };
/// metrics.observe(&select, Duration::from_millis(3));
/// assert!(registry.encode_text().contains("db_client_operation_duration_seconds_count"));
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DbMetrics(HistogramVec<5>);

/// An operation that is over; an empty text says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Operation<'a> {
    /// `db.system.name`: `postgresql`, `sqlite`.
    pub system: &'a str,
    /// `db.namespace`: the database.
    pub namespace: &'a str,
    /// `db.operation.name`: `SELECT`.
    pub name: &'a str,
    /// `db.collection.name`: the table. Of few values.
    pub collection: &'a str,
    /// `error.type` of an operation that failed. Of few values.
    pub error_type: &'a str,
}

impl DbMetrics {
    /// Registers the metric.
    ///
    /// # Errors
    ///
    /// When the registry has another metric of this name.
    #[track_caller]
    pub fn new(registry: &Registry, buckets: Buckets) -> Result<Self, Error> {
        let duration = registry.histogram_vec(
            "db_client_operation_duration_seconds",
            "Duration of database client operations.",
            [
                "db_system_name",
                "db_namespace",
                "db_operation_name",
                "db_collection_name",
                "error_type",
            ],
            buckets,
        )?;
        Ok(Self(duration))
    }

    /// The bounds that the conventions advise: from 1 ms to 10 s.
    pub fn buckets() -> Buckets {
        Buckets::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0])
    }

    /// Counts an operation that took so long.
    pub fn observe(&self, operation: &Operation<'_>, duration: Duration) {
        let Operation { system, namespace, name, collection, error_type } = *operation;
        self.0.with([system, namespace, name, collection, error_type]).observe_duration(duration);
    }
}
