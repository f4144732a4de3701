//! Spawns tasks that keep the trace, the request id and the log context of their caller.

use std::pin::Pin;
use std::task::{self, Poll};

use ::tracing::dispatcher::DefaultGuard;
use ::tracing::span::Entered;
use ::tracing::{Dispatch, Span};
use obs_context::{EnteredRequest, RequestId, current_request_id};
use obs_logging::Context;
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use crate::{HAS_TELEMETRY, testing};

/// `tokio::spawn`, within what is current here: the span, the request id, the log context. A task of a
/// websocket, or any other that outlives its request, still writes lines with the request's ids, and its
/// spans are children of the request's.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let job = obs_all::logging::Context::new();
/// let task = job.scope(async {
///     obs_all::spawn(async { obs_all::logging::bind!(step = 1) })
/// });
/// assert!(task.await.await.unwrap(), "the task has the context");
/// # });
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::spawn` does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(in_current(future))
}

/// `tokio::task::spawn_blocking`, within what is current here: as [`spawn`] for work that blocks its thread.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::task::spawn_blocking` does.
#[track_caller]
pub fn spawn_blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    let here = Work::of_this_thread();
    tokio::task::spawn_blocking(move || {
        let _entered = here.enter();
        work()
    })
}

/// A future within what is current here, on whichever thread it is polled or dropped: for a `JoinSet`,
/// a `LocalSet` or an executor of your own. [`spawn`] is `tokio::spawn` of it.
pub fn in_current<F>(future: F) -> InCurrent<F> {
    InCurrent { future: Some(future), work: Work::of_this_thread() }
}

pin_project! {
    /// A future with the span, request id and log context of where it was made: by [`in_current`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct InCurrent<F> {
        #[pin]
        future: Option<F>, // taken when dropped
        work: Work,
    }

    impl<F> PinnedDrop for InCurrent<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.work.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InCurrent<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.work.enter();
        this.future.as_pin_mut().map_or(Poll::Pending, |future| future.poll(task))
    }
}

/// What a thread works for.
#[derive(Debug)]
struct Work {
    span: Span,
    request: Option<RequestId>,
    context: Option<Context>,
    /// The subscriber of a test; the process's is everywhere anyway.
    scope: Option<Dispatch>,
}

/// Left in this order.
struct Within<'a> {
    _span: Entered<'a>,
    _context: Option<obs_logging::Entered<'a>>,
    _request: Option<EnteredRequest>,
    _scope: Option<DefaultGuard>,
}

impl Work {
    fn of_this_thread() -> Self {
        if !HAS_TELEMETRY {
            return Self { span: Span::none(), request: None, context: None, scope: None };
        }
        Self {
            span: Span::current(),
            request: current_request_id(),
            context: Context::current(),
            scope: testing::current_scope(),
        }
    }

    fn enter(&self) -> Within<'_> {
        let _scope = self.scope.as_ref().map(::tracing::dispatcher::set_default);
        let _request = self.request.as_ref().map(RequestId::enter);
        let _context = self.context.as_ref().map(Context::enter);
        Within { _span: self.span.enter(), _context, _request, _scope }
    }
}
