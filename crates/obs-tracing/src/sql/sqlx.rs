//! The spans of sqlx's events.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use fastant::Instant;
use obs_guard::once::debug_once;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::query::Query;
use super::sea_orm::is_sea_orm;
use super::statement::Statement;
use super::{Database, QUERY, is_query};
use crate::handle::Handle;
use crate::record::{AttributeValue, Limits, Record, SpanContext, SpanKind, write_bounded};

/// Bytes of a statement that are read.
const MAX_STATEMENT_BYTES: u32 = 64 * 1024;

/// Reports the query to `on_query`, and makes a span of the event where the span that it belongs
/// to is recorded.
pub(crate) fn on_event(handle: &Handle, recorded: Option<(u64, SpanContext)>, event: &Event<'_>) {
    let database = &handle.pipeline().database;
    let on_query = database.on_query.as_ref().filter(|_| is_query(event.metadata()));
    if recorded.is_none() && on_query.is_none() {
        return;
    }
    // Anew where a value's `Debug` runs a query.
    let pooled = BUFFERS.try_with(Cell::take).ok().flatten();
    let mut buffers = pooled.unwrap_or_default();
    let Buffers { fields, statement } = &mut *buffers;
    event.record(fields);
    fields.read_statement(statement);
    if let Some(on_query) = on_query {
        on_query.call(&Query {
            system: database.system.as_deref(),
            namespace: database.namespace.as_deref(),
            operation: statement.operation(),
            collection: statement.collection(),
            duration: fields.elapsed,
        });
    }
    if let Some((id, parent)) = recorded {
        record(handle, (id, &parent), fields, statement, event.metadata().target());
    }
    if fields.is_small() {
        fields.clear();
        let _ = BUFFERS.try_with(|kept| kept.set(Some(buffers)));
    }
}

/// Makes a span: it ends now, and began `elapsed` ago. A query is a CLIENT span, the wait for a
/// connection an INTERNAL one. A query in a span of sea-orm's is that very span.
fn record(
    handle: &Handle,
    (id, parent): (u64, &SpanContext),
    fields: &SqlxFields,
    statement: &Statement,
    name: &'static str,
) {
    let (limits, database) = (&handle.pipeline().limits, &handle.pipeline().database);
    if name == QUERY && is_sea_orm(parent.name) {
        handle
            .pipeline()
            .table
            .with(id, |record| describe(record, fields, statement, database, limits));
        return;
    }
    let mut record = handle.start_child(name, parent);
    match name {
        QUERY => describe(&mut record, fields, statement, database, limits),
        _ => record.name = Some(record.push_text("acquire connection", limits)),
    }
    // The clock begins with the process: nothing is older.
    record.start = Instant::now().checked_sub(fields.elapsed).unwrap_or(Instant::ZERO);
    handle.pipeline().finish(record);
}

fn describe(
    record: &mut Record,
    fields: &SqlxFields,
    statement: &Statement,
    database: &Database,
    limits: &Limits,
) {
    statement.describe(record, limits);
    if let Some(system) = &database.system {
        record.set("db.system.name", AttributeValue::Text(system), limits);
    }
    if let Some(namespace) = &database.namespace {
        record.set("db.namespace", AttributeValue::Text(namespace), limits);
    }
    if let Some(rows) = fields.rows_returned {
        record.set("db.response.returned_rows", rows.into(), limits);
    }
}

impl Statement {
    /// Says of the span what the statement does.
    pub(super) fn describe(&self, record: &mut Record, limits: &Limits) {
        record.kind = SpanKind::Client;
        let name = self.name();
        record.name = Some(record.push_text(name, limits));
        record.set("db.query.summary", AttributeValue::Text(name), limits);
        record.set("db.query.text", AttributeValue::Text(&self.text), limits);
        if let Some(operation) = self.operation() {
            record.set("db.operation.name", AttributeValue::Text(operation), limits);
        }
        if let Some(collection) = self.collection() {
            record.set("db.collection.name", AttributeValue::Text(collection), limits);
        }
    }
}

thread_local! {
    static BUFFERS: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// Kept by a thread from query to query.
#[derive(Default)]
struct Buffers {
    fields: SqlxFields,
    statement: Statement,
}

/// The fields of sqlx's event.
#[derive(Default)]
struct SqlxFields {
    summary: String,
    statement: String,
    rows_returned: Option<u64>,
    elapsed: Duration,
}

impl SqlxFields {
    fn read_statement(&self, statement: &mut Statement) {
        let has_text = !self.statement.trim().is_empty();
        statement.reparse(if has_text { &self.statement } else { &self.summary });
    }

    /// Whether keeping the buffers costs little.
    fn is_small(&self) -> bool {
        self.summary.capacity() + self.statement.capacity() <= 4096
    }

    fn clear(&mut self) {
        self.summary.clear();
        self.statement.clear();
        self.rows_returned = None;
        self.elapsed = Duration::ZERO;
    }

    fn text(&mut self, field: &Field) -> Option<&mut String> {
        let text = match field.name() {
            "summary" => &mut self.summary,
            "db.statement" => &mut self.statement,
            _ => return None,
        };
        text.clear();
        Some(text)
    }
}

impl Visit for SqlxFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(text) = self.text(field) {
            text.push_str(value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows_returned = Some(value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if matches!(field.name(), "elapsed_secs" | "acquired_after_secs") {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(text) = self.text(field) {
            let limits = Limits { value_length: MAX_STATEMENT_BYTES, ..Limits::default() };
            debug_once(field.index(), value, |value| write_bounded(text, value, &limits));
        }
    }
}
