//! sea-orm's spans in current semantic conventions.
//!
//! Their shape is that of sea-orm 2.0.4 with the feature `tracing-spans`, `src/database/tracing_spans.rs`:
//! `sea_orm.query_one` and its like, with `db.system`, `db.operation`, `db.statement`, `exception.message`.

use super::statement::Statement;
use crate::record::{AttributeValue, Limits, Record, Status};

/// Whether a span of this name is one of sea-orm's.
#[inline]
pub(crate) fn is_sea_orm(name: &str) -> bool {
    name.starts_with("sea_orm.")
}

/// Renames sea-orm's fields at the end of the span: `SELECT orders`, `db.system.name`,
/// `db.operation.name`, `db.collection.name`, and `db.query.text` without literals.
#[cold]
pub(crate) fn rename_fields(record: &mut Record, limits: &Limits) {
    if let Some(system) = take(record, "db.system") {
        record.set("db.system.name", AttributeValue::Text(&system), limits);
    }
    let operation = take(record, "db.operation");
    let statement = take(record, "db.statement");
    // sqlx's fields have been written already.
    if record.name.is_none() {
        let statement = statement.as_deref().map(Statement::parse);
        match statement.filter(|statement| statement.operation().is_some()) {
            Some(statement) => statement.describe(record, limits),
            None => name_only(record, operation.as_deref(), limits),
        }
    }
    if let Some(message) = take(record, "exception.message") {
        record.set("error.type", AttributeValue::Text("sea_orm::DbErr"), limits);
        record.status_message = Some(record.push_text(&message, limits));
    }
    // A library does not declare a success: that is the application's word.
    if record.status == Status::Ok {
        record.status = Status::Unset;
    }
}

/// Where the statement's text is not recorded, sea-orm has at most its first word.
fn name_only(record: &mut Record, operation: Option<&str>, limits: &Limits) {
    let known = match record.span_context.name {
        "sea_orm.begin" => Some("BEGIN"),
        "sea_orm.commit" => Some("COMMIT"),
        "sea_orm.rollback" => Some("ROLLBACK"),
        _ => operation.filter(|operation| *operation != "EXECUTE"), // that is "none of those I know"
    };
    if let Some(operation) = known {
        record.name = Some(record.push_text(operation, limits));
        record.set("db.operation.name", AttributeValue::Text(operation), limits);
    }
}

fn take(record: &mut Record, key: &str) -> Option<String> {
    let at = record.attributes.iter().position(|known| known.key == key)?;
    match record.attributes.remove(at).value.of(&record.text) {
        AttributeValue::Text(text) => Some(text.to_owned()),
        _ => None,
    }
}
