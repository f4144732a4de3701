//! What client and server spans share.

use std::sync::Arc;

use http::{HeaderMap, Method};
use obs_http::{forward_request_id, known_method};
use tracing::span::Entered;
use tracing::{Dispatch, Span};

use crate::handle::Handle;
use crate::propagate::{Propagators, RemoteContext};
use crate::record::{Limits, Record};
use crate::span_ext::SpanHandle;
use crate::thread_state::{self, ThreadState};

/// The span of an exchange. It has no fields, so that log lines gain nothing from it; its data is
/// written into its record.
#[derive(Debug)]
pub(super) struct HttpSpan {
    span: Span,
    handle: Option<SpanHandle>,
}

/// Held while the exchange is polled: its span is the current one.
#[derive(Debug)]
pub struct EnteredSpan<'a>(#[expect(dead_code, reason = "its drop is what counts")] Entered<'a>);

impl HttpSpan {
    /// Takes the span, and finds its record.
    pub(super) fn new(create: impl FnOnce() -> Span) -> Self {
        thread_state::with(ThreadState::clear_last);
        let span = create();
        let handle = span.with_subscriber(|(id, dispatch)| {
            let id = id.into_u64();
            let pipeline = Arc::clone(dispatch.downcast_ref::<Handle>()?.pipeline());
            let created = |thread: &mut ThreadState| {
                thread.last(pipeline.id(), id).map(|last| last.span_context.clone())
            };
            let span_context = thread_state::with(created).flatten()?;
            Some(SpanHandle { id, span_context, pipeline })
        });
        Self { span, handle: handle.flatten() }
    }

    /// Writes what the next service continues: the span's context, and the request's id.
    pub(super) fn write_context(&self, formats: Option<Propagators>, headers: &mut HeaderMap) {
        forward_request_id(headers);
        match &self.handle {
            Some(handle) => {
                let formats = formats.unwrap_or(handle.pipeline.propagators);
                formats.write(&handle.span_context, headers);
            }
            // The span is filtered out, but not the trace.
            None => formats.unwrap_or_else(of_pipeline).inject(headers),
        }
    }

    pub(super) fn enter(&self) -> EnteredSpan<'_> {
        EnteredSpan(self.span.enter())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Record, &Limits)) {
        if let Some(handle) = &self.handle {
            handle.change(change);
        }
    }

    /// Whether no rule of the application's decides about the trace at its end: one may log.
    pub(super) fn can_end_alone(&self) -> bool {
        self.handle.as_ref().is_none_or(|handle| handle.span_context.undecided.is_none())
    }

    /// Ends the span with its exchange, even while children of it are open.
    pub(super) fn end(self) {
        if let Some(handle) = self.handle.filter(SpanHandle::is_recording) {
            handle.pipeline.finish_early(handle.id);
        }
    }
}

/// What the caller sent, in these formats or in those of the pipeline.
pub(super) fn extract(formats: Option<Propagators>, headers: &HeaderMap) -> RemoteContext {
    formats.unwrap_or_else(of_pipeline).extract(headers)
}

/// The formats of the pipeline whose layer the current subscriber has.
fn of_pipeline() -> Propagators {
    let of = |dispatch: &Dispatch| Some(dispatch.downcast_ref::<Handle>()?.pipeline().propagators);
    tracing::dispatcher::get_default(of).unwrap_or_default()
}

/// The method for attributes and names, of which there are few, and whether it is one of them.
pub(super) fn method(method: &Method) -> &'static str {
    known_method(method).unwrap_or(OTHER_METHOD)
}

/// What the conventions call a method that they do not know.
pub(super) const OTHER_METHOD: &str = "_OTHER";

/// The method as span names have it.
pub(super) fn method_name(method: &'static str) -> &'static str {
    if method == OTHER_METHOD { "HTTP" } else { method }
}
