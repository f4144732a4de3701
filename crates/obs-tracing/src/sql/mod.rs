//! SQL spans with no code in the application: sqlx tells of every query in one event, and of a
//! connection that was waited for.

mod comment;
mod query;
mod sea_orm;
mod statement;

pub use comment::sql_with_trace;
pub(crate) use query::OnQuery;
pub use query::Query;
pub(crate) use sea_orm::{is_sea_orm, normalise};

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use fastant::Instant;
use obs_guard::once::debug_once;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use crate::layer::Handle;
use obs_otlp::{Origin, Resolver};

use crate::record::{AttributeValue, Identity, Limits, Record, SpanKind, write_bounded};
use statement::Statement;

/// Bytes of a statement that are read.
const LONGEST_STATEMENT: u32 = 64 * 1024;

const QUERY: &str = "sqlx::query";
const ACQUIRE: &str = "sqlx::pool::acquire";

/// What sqlx does not tell of the database, and who is told of its queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    pub(crate) system: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) on_query: Option<OnQuery>,
}

impl Database {
    pub(crate) fn explain(&self, resolver: &mut Resolver) {
        for (name, value) in
            [("database.system", &self.system), ("database.namespace", &self.namespace)]
        {
            let origin = if value.is_some() { Origin::Code } else { Origin::Default };
            resolver.note(name, value.as_deref().unwrap_or("none"), origin);
        }
    }
}

/// Whether the event tells of a query, or of the wait for a connection.
#[inline]
pub(crate) fn is_sqlx(metadata: &Metadata<'_>) -> bool {
    matches!(metadata.target(), QUERY | ACQUIRE)
}

/// Whether the event tells of a query.
#[inline]
pub(crate) fn is_query(metadata: &Metadata<'_>) -> bool {
    metadata.target() == QUERY
}

/// Tells whoever measures queries of this one, and makes a span of the event where the span that it belongs
/// to is recorded.
pub(crate) fn on_event(handle: &Handle, recorded: Option<(u64, Identity)>, event: &Event<'_>) {
    let database = &handle.pipeline().database;
    let on_query = database.on_query.as_ref().filter(|_| is_query(event.metadata()));
    if recorded.is_none() && on_query.is_none() {
        return;
    }
    // Anew where a value's `Debug` runs a query.
    let pooled = BUFFERS.try_with(Cell::take).ok().flatten();
    let mut buffers = pooled.unwrap_or_default();
    let Buffers { told, statement } = &mut *buffers;
    event.record(told);
    told.read_statement(statement);
    if let Some(on_query) = on_query {
        on_query.call(&Query {
            system: database.system.as_deref(),
            namespace: database.namespace.as_deref(),
            operation: statement.operation(),
            collection: statement.collection(),
            duration: told.elapsed,
        });
    }
    if let Some((id, parent)) = recorded {
        record(handle, (id, &parent), told, statement, event.metadata().target());
    }
    if told.is_modest() {
        told.clear();
        let _ = BUFFERS.try_with(|kept| kept.set(Some(buffers)));
    }
}

/// Makes a span: it ends now, and began as long ago as sqlx says. A query is a CLIENT span, the wait for a
/// connection an INTERNAL one. A query in a span of sea-orm's is that very span.
fn record(
    handle: &Handle,
    (id, parent): (u64, &Identity),
    told: &Told,
    statement: &Statement,
    name: &'static str,
) {
    let (limits, database) = (&handle.pipeline().limits, &handle.pipeline().database);
    if name == QUERY && is_sea_orm(parent.name) {
        handle
            .pipeline()
            .table
            .with(id, |record| describe(record, told, statement, database, limits));
        return;
    }
    let mut record = handle.begin(name, parent);
    match name {
        QUERY => describe(&mut record, told, statement, database, limits),
        _ => record.name = Some(record.keep("acquire connection", limits)),
    }
    // The clock begins with the process: nothing is older.
    record.start = Instant::now().checked_sub(told.elapsed).unwrap_or(Instant::ZERO);
    handle.pipeline().finish(record);
}

fn describe(
    record: &mut Record,
    told: &Told,
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
    if let Some(rows) = told.rows_returned {
        record.set("db.response.returned_rows", rows.into(), limits);
    }
}

impl Statement {
    /// Says of the span what the statement does.
    fn describe(&self, record: &mut Record, limits: &Limits) {
        record.kind = SpanKind::Client;
        let name = self.name();
        record.name = Some(record.keep(name, limits));
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
    told: Told,
    statement: Statement,
}

/// What sqlx says.
#[derive(Default)]
struct Told {
    summary: String,
    statement: String,
    rows_returned: Option<u64>,
    elapsed: Duration,
}

impl Told {
    fn read_statement(&self, statement: &mut Statement) {
        let has_text = !self.statement.trim().is_empty();
        statement.read_again(if has_text { &self.statement } else { &self.summary });
    }

    /// Whether keeping the buffers costs little.
    fn is_modest(&self) -> bool {
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

impl Visit for Told {
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
            let limits = Limits { value_length: LONGEST_STATEMENT, ..Limits::default() };
            debug_once(field.index(), value, |value| write_bounded(text, value, &limits));
        }
    }
}
