//! SQL spans with no code in the application: sqlx tells of every query in one event.

mod statement;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fastant::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use crate::layer::Handle;
use crate::record::{AttributeValue, Open, SpanKind};
use statement::Statement;

/// Whether the event tells of a query.
#[inline]
pub(crate) fn is_query(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "sqlx::query"
}

/// Makes a CLIENT span of the event: it ends now, and began as long ago as the query took.
pub(crate) fn record(handle: &Handle, parent: &Arc<Open>, event: &Event<'_>) {
    let mut query = Query::default();
    event.record(&mut query);
    let text = if query.statement.trim().is_empty() { &query.summary } else { &query.statement };
    let statement = Statement::read(text);
    let pipeline = &handle.pipeline;
    let begun = handle.begin("sqlx::query", Some(parent), false, |record| {
        let limits = &pipeline.limits;
        record.kind = SpanKind::Client;
        record.name = Some(record.keep(&statement.name(), limits));
        record.set("db.query.text", AttributeValue::Text(&statement.text), limits);
        if let Some(operation) = &statement.operation {
            record.set("db.operation.name", AttributeValue::Text(operation), limits);
        }
        if let Some(collection) = &statement.collection {
            record.set("db.collection.name", AttributeValue::Text(collection), limits);
        }
        if let Some(system) = &pipeline.database {
            record.set("db.system.name", AttributeValue::Text(system), limits);
        }
        if let Some(rows) = query.rows_returned {
            record.set("db.response.returned_rows", rows.into(), limits);
        }
    });
    let Ok(open) = begun else { return };
    if open.recording {
        let mut record = open.record();
        // The clock begins with the process: nothing is older.
        record.start = record.start.checked_sub(query.elapsed).unwrap_or(Instant::ZERO);
    }
    pipeline.finish(open);
}

/// What sqlx says of a query.
#[derive(Default)]
struct Query {
    summary: String,
    statement: String,
    rows_returned: Option<u64>,
    elapsed: Duration,
}

impl Visit for Query {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => self.summary = value.to_owned(),
            "db.statement" => self.statement = value.to_owned(),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows_returned = Some(value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), "summary" | "db.statement") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
