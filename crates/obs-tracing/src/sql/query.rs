//! Queries as measurements see them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use obs_guard::Place;

static ON_QUERY: Place = Place::new("tracing.on_query");

/// A query that is over, of a sampled trace or not: what [`Builder::on_query`](crate::Builder::on_query) is
/// given.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Query<'a> {
    /// Set by [`Builder::database_system`](crate::Builder::database_system).
    pub system: Option<&'a str>,
    /// Set by [`Builder::database_namespace`](crate::Builder::database_namespace).
    pub namespace: Option<&'a str>,
    /// `SELECT`, `INSERT`: the statement's first word.
    pub operation: Option<&'a str>,
    /// The first table that it names.
    pub collection: Option<&'a str>,
    /// From when it was sent to the last row that was read.
    pub duration: Duration,
}

/// The function of [`Builder::on_query`](crate::Builder::on_query).
#[derive(Clone)]
pub(crate) struct OnQuery(Arc<dyn Fn(&Query<'_>) + Send + Sync>);

impl OnQuery {
    pub(crate) fn new(function: impl Fn(&Query<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(super) fn call(&self, query: &Query<'_>) {
        let _panicked_and_counted = ON_QUERY.call(|| (self.0)(query));
    }
}

impl fmt::Debug for OnQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnQuery")
    }
}
