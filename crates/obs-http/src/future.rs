//! An exchange from the request's head to the response's.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, StatusCode};
use http_body::Body;
use obs_guard::Place;
use pin_project_lite::pin_project;

use crate::grpc;
use crate::running::Running;
use crate::{Exchange, ObservedBody, Outcome};

/// A service or handler whose panic is answered. One that is not goes on to the server.
static HANDLER: Place = Place::new("http.handler");

pin_project! {
    /// The response of a watched exchange.
    pub struct ObservedFuture<F, X: Exchange> {
        #[pin]
        inner: Option<F>,
        running: Option<Running<X>>,
        catch_panics: bool,
    }

    impl<F, X: Exchange> PinnedDrop for ObservedFuture<F, X> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Ended by its own drop where that of the handler panics.
            let Some(running) = this.running.take() else { return };
            let _entered = running.enter();
            this.inner.set(None);
        }
    }
}

impl<F, X: Exchange> ObservedFuture<F, X> {
    pub(crate) fn new(inner: F, running: Running<X>, catch_panics: bool) -> Self {
        Self { inner: Some(inner), running: Some(running), catch_panics }
    }

    /// Of a service that panicked before it returned a future: it has its answer to give.
    pub(crate) fn panicked(
        mut running: Running<X>,
        panic: Box<dyn Any + Send>,
        catch_panics: bool,
    ) -> Self {
        if !catch_panics {
            running.end(Outcome::Panicked);
            resume_unwind(panic)
        }
        HANDLER.caught(panic);
        Self { inner: None, running: Some(running), catch_panics }
    }
}

impl<F, B, E, X> Future for ObservedFuture<F, X>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    X: Exchange,
{
    type Output = Result<Response<ObservedBody<B, X>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = {
            let Some(running) = &this.running else {
                return Poll::Pending; // polled again after its end
            };
            let _entered = running.enter();
            poll_and_drop(this.inner.as_mut(), context)
        };
        if matches!(polled, Some(Ok(Poll::Pending))) {
            return Poll::Pending;
        }
        let Some(mut running) = this.running.take() else { return Poll::Pending };
        match polled {
            Some(Ok(Poll::Pending)) => Poll::Pending,
            Some(Ok(Poll::Ready(Ok(response)))) => Poll::Ready(Ok(observed(response, running))),
            Some(Ok(Poll::Ready(Err(error)))) => {
                running.end(Outcome::Failed);
                Poll::Ready(Err(error))
            }
            Some(Err(panic)) if *this.catch_panics => {
                HANDLER.caught(panic);
                Poll::Ready(Ok(answer_panic(running)))
            }
            Some(Err(panic)) => {
                running.end(Outcome::Panicked);
                resume_unwind(panic)
            }
            None => Poll::Ready(Ok(answer_panic(running))), // the service has panicked
        }
    }
}

/// Polls the handler, and drops it once it is over: a panic of either is the handler's. `None` where there is none.
fn poll_and_drop<F: Future>(
    mut inner: Pin<&mut Option<F>>,
    context: &mut Context<'_>,
) -> Option<std::thread::Result<Poll<F::Output>>> {
    let polled = {
        let handler = inner.as_mut().as_pin_mut()?;
        catch_unwind(AssertUnwindSafe(|| handler.poll(context)))
    };
    if matches!(polled, Ok(Poll::Pending)) {
        return Some(polled);
    }
    match (catch_unwind(AssertUnwindSafe(|| inner.set(None))), polled) {
        (Ok(()), polled) => Some(polled),
        (Err(panic), Ok(_)) => Some(Err(panic)),
        (Err(second), Err(first)) => {
            HANDLER.caught(second);
            Some(Err(first))
        }
    }
}

fn observed<B: Body, X: Exchange>(
    response: Response<B>,
    mut running: Running<X>,
) -> Response<ObservedBody<B, X>> {
    let (mut head, body) = response.into_parts();
    running.response(&mut head);
    Response::from_parts(head, ObservedBody::new(body, running))
}

fn answer_panic<B: Body, X: Exchange>(mut running: Running<X>) -> Response<ObservedBody<B, X>> {
    let (mut head, ()) = Response::new(()).into_parts();
    match running.is_grpc() {
        true => grpc::set_internal(&mut head),
        false => head.status = StatusCode::INTERNAL_SERVER_ERROR,
    }
    running.response(&mut head);
    running.end(Outcome::Panicked);
    Response::from_parts(head, ObservedBody::empty())
}

impl<F, X: Exchange> std::fmt::Debug for ObservedFuture<F, X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObservedFuture").finish_non_exhaustive()
    }
}
