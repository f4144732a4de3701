//! Counts the requests in flight, and asks HTTP/1 clients to reconnect elsewhere while draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderValue, Version, header, request, response};
use obs_context::Route;
use obs_http::{End, Exchange, Observe};

/// Counts requests from their head to the end of their response's body.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    shared: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    draining: AtomicBool,
}

impl InFlight {
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Acquire)
    }

    pub(crate) fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }
}

impl Observe for InFlight {
    type Exchange = InFlightExchange;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> InFlightExchange {
        self.shared.requests.fetch_add(1, Ordering::AcqRel);
        let has_connection_header = request.version < Version::HTTP_2;
        InFlightExchange { shared: Arc::clone(&self.shared), has_connection_header }
    }
}

/// One request under way.
#[derive(Debug)]
pub struct InFlightExchange {
    shared: Arc<Counts>,
    has_connection_header: bool,
}

impl Exchange for InFlightExchange {
    type Entered<'a> = ();

    const IS_TIMED: bool = false;

    fn enter(&self) {}

    fn response(&mut self, response: &mut response::Parts) {
        if self.has_connection_header && self.shared.draining.load(Ordering::Acquire) {
            response.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn can_end_alone(&self, _: &End) -> bool {
        true
    }

    fn end(self, _: &End) {
        self.shared.requests.fetch_sub(1, Ordering::AcqRel);
    }
}
