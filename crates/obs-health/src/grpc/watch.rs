//! `Watch`: a status whenever it is another.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tonic::Status;

use crate::grpc::lookup::{Lookup, response};
use crate::grpc::messages::HealthCheckResponse;
use crate::state::State;

/// A status goes stale, and a group changes, without an event.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

/// The statuses of one service, from now on. It ends after the `NOT_SERVING` of a shutdown, so
/// that watchers do not delay it.
pub struct Watch(Statuses);

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

pub(crate) fn start(lookup: Lookup, name: String) -> Watch {
    let changes = lookup.health.changes();
    let before = None::<HealthCheckResponse>;
    Watch(Box::pin(unfold(Some((lookup, name, changes, before)), |watch| async {
        let (lookup, name, mut changes, before) = watch?;
        loop {
            changes.mark_unchanged();
            let state = lookup.state(&name);
            let now = response(state);
            let ends = matches!(state, Some(State::Draining | State::Stopped))
                || state.is_none() && lookup.health.is_ending();
            if ends || before != Some(now) {
                let next = (!ends).then_some((lookup, name, changes, Some(now)));
                return Some((Ok(now), next));
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, changes.changed()).await;
        }
    })))
}
