//! An exchange from the request's head to the response's.

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

/// A handler whose panic is answered. One that is not goes on to the server.
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
            let Some(mut running) = this.running.take() else { return };
            {
                let _entered = running.enter();
                this.inner.set(None);
            }
            let unwinding = std::thread::panicking();
            running.end(if unwinding { Outcome::Panicked } else { Outcome::Cancelled });
        }
    }
}

impl<F, X: Exchange> ObservedFuture<F, X> {
    pub(crate) fn new(inner: F, running: Running<X>, catch_panics: bool) -> Self {
        Self { inner: Some(inner), running: Some(running), catch_panics }
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
            let (Some(running), Some(inner)) = (&this.running, this.inner.as_mut().as_pin_mut())
            else {
                return Poll::Pending; // polled again after its end
            };
            let _entered = running.enter();
            let polled = catch_unwind(AssertUnwindSafe(|| inner.poll(context)));
            if matches!(polled, Ok(Poll::Pending)) {
                return Poll::Pending;
            }
            this.inner.set(None);
            polled
        };
        let Some(mut running) = this.running.take() else { return Poll::Pending };
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Ok(observed(response, running))),
            Ok(Poll::Ready(Err(error))) => {
                running.end(Outcome::Failed);
                Poll::Ready(Err(error))
            }
            Err(panic) if *this.catch_panics => Poll::Ready(Ok(answer_panic(running, panic))),
            Err(panic) => {
                running.end(Outcome::Panicked);
                resume_unwind(panic)
            }
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

fn answer_panic<B: Body, X: Exchange>(
    mut running: Running<X>,
    panic: Box<dyn std::any::Any + Send>,
) -> Response<ObservedBody<B, X>> {
    HANDLER.caught(panic);
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
