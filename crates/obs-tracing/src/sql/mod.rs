//! SQL spans with no code in the application: sqlx emits one event for every query, and one for a
//! connection that was waited for.

mod comment;
mod query;
mod sea_orm;
mod sqlx;
mod statement;

pub use comment::sql_with_trace;
pub(crate) use query::OnQuery;
pub use query::Query;
pub(crate) use sea_orm::{is_sea_orm, rename_fields};
pub(crate) use sqlx::on_event;

use obs_otlp::{Origin, Resolver};
use tracing::Metadata;

const QUERY: &str = "sqlx::query";
const ACQUIRE: &str = "sqlx::pool::acquire";

/// What sqlx does not report about the database, and the observer of its queries.
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

/// Whether the event is about a query or the wait for a connection.
#[inline]
pub(crate) fn is_sqlx(metadata: &Metadata<'_>) -> bool {
    matches!(metadata.target(), QUERY | ACQUIRE)
}

/// Whether the event is about a query.
#[inline]
pub(crate) fn is_query(metadata: &Metadata<'_>) -> bool {
    metadata.target() == QUERY
}
