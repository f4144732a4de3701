//! The interface of a pillar that watches exchanges.

use http::{HeaderMap, request, response};
use obs_context::Route;

use crate::End;

/// Watches HTTP exchanges: of a server, or of a client.
///
/// A pair `(A, B)` watches as both: `A` outside, `B` inside. `A` begins first, is entered first, and
/// ends last, after `B` has ended with `A` still entered, unless `B` can end alone. `Option<A>` watches when it is `Some`.
pub trait Observe: Clone + Send + Sync + 'static {
    /// The state of one exchange.
    type Exchange: Exchange;

    /// Whether beginning takes nothing from the outer observers, so that they need not be entered for it:
    /// entering a span costs more than most beginnings.
    const BEGINS_ALONE: bool = false;

    /// A request has arrived (server) or is about to be sent (client).
    ///
    /// `route` is what the function of the layer returned, or the [`Route`] of the request's extensions.
    /// Called with the outer observers entered, unless [`Observe::BEGINS_ALONE`].
    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> Self::Exchange;
}

/// One exchange that is watched.
///
/// Each exchange gets exactly one call of [`Exchange::end`], however it ends.
pub trait Exchange: Send + 'static {
    /// Held while the handler or the body is polled: what the handler's own telemetry finds current.
    type Entered<'a>
    where
        Self: 'a;

    /// Whether the end's duration is read; where no observer of a layer reads it, it is zero.
    const IS_TIMED: bool = true;

    /// The exchange is about to be polled, or dropped unfinished.
    fn enter(&self) -> Self::Entered<'_>;

    /// The response's head is there; its body is still to come.
    fn response(&mut self, _response: &mut response::Parts) {}

    /// The body's trailers are there, as gRPC has them; nothing comes after them.
    fn trailers(&mut self, _trailers: &HeaderMap) {}

    /// Whether ending takes nothing from the outer observers, so that they need not be entered for it. Asked once by each
    /// pair that this exchange is in; the others may be entered all the same.
    fn can_end_alone(&self, _end: &End) -> bool {
        false
    }

    /// The exchange is over. The outer observers are entered, unless [`Exchange::can_end_alone`] returned true; this one is
    /// not.
    fn end(self, end: &End);
}

impl<A: Observe, B: Observe> Observe for (A, B) {
    type Exchange = (A::Exchange, B::Exchange);

    const BEGINS_ALONE: bool = A::BEGINS_ALONE && B::BEGINS_ALONE;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> Self::Exchange {
        let outer = self.0.begin(request, route);
        let entered = (!B::BEGINS_ALONE).then(|| outer.enter());
        let inner = self.1.begin(request, route);
        drop(entered);
        (outer, inner)
    }
}

impl<A: Exchange, B: Exchange> Exchange for (A, B) {
    /// The inner guard first: fields are dropped in this order.
    type Entered<'a> = (B::Entered<'a>, A::Entered<'a>);

    const IS_TIMED: bool = A::IS_TIMED || B::IS_TIMED;

    fn enter(&self) -> Self::Entered<'_> {
        let outer = self.0.enter();
        (self.1.enter(), outer)
    }

    fn response(&mut self, response: &mut response::Parts) {
        self.1.response(response);
        self.0.response(response);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.1.trailers(trailers);
        self.0.trailers(trailers);
    }

    fn can_end_alone(&self, end: &End) -> bool {
        self.0.can_end_alone(end) && self.1.can_end_alone(end)
    }

    fn end(self, end: &End) {
        let entered = (!self.1.can_end_alone(end)).then(|| self.0.enter());
        self.1.end(end);
        drop(entered);
        self.0.end(end);
    }
}

impl<A: Observe> Observe for Option<A> {
    type Exchange = Option<A::Exchange>;

    const BEGINS_ALONE: bool = A::BEGINS_ALONE;

    fn begin(&self, request: &mut request::Parts, route: Option<Route>) -> Self::Exchange {
        self.as_ref().map(|observer| observer.begin(request, route))
    }
}

impl<A: Exchange> Exchange for Option<A> {
    type Entered<'a> = Option<A::Entered<'a>>;

    const IS_TIMED: bool = A::IS_TIMED;

    fn enter(&self) -> Self::Entered<'_> {
        self.as_ref().map(Exchange::enter)
    }

    fn response(&mut self, response: &mut response::Parts) {
        if let Some(exchange) = self {
            exchange.response(response);
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(exchange) = self {
            exchange.trailers(trailers);
        }
    }

    fn can_end_alone(&self, end: &End) -> bool {
        self.as_ref().is_none_or(|exchange| exchange.can_end_alone(end))
    }

    fn end(self, end: &End) {
        if let Some(exchange) = self {
            exchange.end(end);
        }
    }
}
