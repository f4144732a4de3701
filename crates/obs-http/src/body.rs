//! An exchange from the response's head to the end of its body.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::running::Running;
use crate::{Exchange, Outcome};

pin_project! {
    /// A response body that reports how it ended, also when it is not read to its end.
    pub struct ObservedBody<B: Body, X: Exchange> {
        #[pin]
        inner: Option<B>,
        running: Option<Running<X>>,
    }

    impl<B: Body, X: Exchange> PinnedDrop for ObservedBody<B, X> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Ended by its own drop where the body panics.
            let Some(mut running) = this.running.take() else { return };
            let is_unwinding = std::thread::panicking();
            let rest = this.inner.as_ref().as_pin_ref();
            let ended = running.has_sent_all() || rest.is_none_or(|body| !is_unwinding && body.is_end_stream());
            if this.inner.is_some() {
                let _entered = running.enter();
                this.inner.set(None);
            }
            running.end(if ended { Outcome::Completed } else { Outcome::BodyAborted });
        }
    }
}

impl<B: Body, X: Exchange> ObservedBody<B, X> {
    pub(crate) fn new(inner: B, running: Running<X>) -> Self {
        Self { inner: Some(inner), running: Some(running) }
    }

    pub(crate) fn empty() -> Self {
        Self { inner: None, running: None }
    }
}

impl<B: Body, X: Exchange> Body for ObservedBody<B, X> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if this.inner.is_none() {
            return Poll::Ready(None);
        }
        let mut polled = Poll::Pending;
        let completed = {
            let _entered = this.running.as_ref().and_then(Running::enter);
            // Written into its place: a frame has room for trailers, and is moved at a price.
            catch_unwind(AssertUnwindSafe(|| {
                let Some(inner) = this.inner.as_mut().as_pin_mut() else { return };
                polled = inner.poll_frame(context);
                // Dropped while its exchange is entered anyway: servers ask for no further frame.
                let rest = this.inner.as_ref().as_pin_ref();
                if rest.is_some_and(|body| body.is_end_stream()) {
                    this.inner.set(None);
                }
            }))
        };
        if let Err(panic) = completed {
            end(this.running, Outcome::Panicked);
            resume_unwind(panic)
        }
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(running) = this.running {
                    if let Some(data) = frame.data_ref() {
                        running.count_sent(data.remaining() as u64);
                    } else if let Some(trailers) = frame.trailers_ref() {
                        running.trailers(trailers);
                    }
                }
            }
            Poll::Ready(Some(Err(_))) => end(this.running, Outcome::BodyFailed),
            Poll::Ready(None) => end(this.running, Outcome::Completed),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

fn end<X: Exchange>(running: &mut Option<Running<X>>, outcome: Outcome) {
    if let Some(mut running) = running.take() {
        running.end(outcome);
    }
}

impl<B: Body, X: Exchange> std::fmt::Debug for ObservedBody<B, X> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObservedBody").finish_non_exhaustive()
    }
}

impl<B: Body + Default, X: Exchange> Default for ObservedBody<B, X> {
    fn default() -> Self {
        Self::empty()
    }
}
