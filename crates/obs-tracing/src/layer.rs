//! The layer: `tracing`'s calls become records.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use obs_context::{SpanFollower, SpanResolver};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::entry::Entry;
use crate::handle::Handle;
use crate::record::{FieldRecorder, Link, Record, SpanContext};
use crate::thread_state;
use crate::{closed, event, exception, filter, sql};

/// The layer that makes traces of `tracing` spans: made by [`Builder::build`](crate::Builder::build),
/// added to a `tracing_subscriber::Registry` beside any other layer.
///
/// It keeps the thread's active span (`obs_context::active_span`) up to date.
pub struct TraceLayer {
    handle: Handle,
    resolver: SpanResolver,
    follower: SpanFollower,
}

impl TraceLayer {
    pub(crate) fn new(handle: Handle) -> Self {
        let resolving = handle.clone();
        let resolver = SpanResolver::new(move |id| {
            resolving.find_or_ancestor(id).map(|(_, span_context)| span_context.active())
        });
        let follower = SpanFollower(Arc::new(handle.clone()));
        Self { handle, resolver, follower }
    }

    /// Bytes of one value that a span keeps.
    #[doc(hidden)]
    pub fn max_value_bytes(&self) -> usize {
        self.handle.pipeline().limits.value_length as usize
    }

    /// The span that an event belongs to.
    fn span_of<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<(u64, SpanContext)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match event.parent() {
            Some(id) => self.handle.find_or_ancestor(id.into_u64()),
            None if event.is_contextual() => {
                let layer = self.handle.pipeline_id();
                let current = |entry: &Entry| (entry.record, entry.span_context.clone());
                let known =
                    thread_state::with(|thread| thread.current(layer).map(current)).flatten();
                known.or_else(|| self.handle.nearest_traced_ancestor(context))
            }
            None => None,
        }
    }
}

impl<S> tracing_subscriber::Layer<S> for TraceLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.handle.subscriber.set(subscriber.downgrade());
    }

    #[inline]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if filter::is_excluded(metadata) {
            return;
        }
        let id = id.into_u64();
        if let Some(record) = self.handle.create(attributes, id, &context) {
            self.handle.insert(record, attributes, id);
        }
    }

    #[inline]
    fn on_record(&self, id: &Id, values: &Values<'_>, _: Context<'_, S>) {
        let id = id.into_u64();
        if !self.handle.find(id).is_some_and(|span| span.recording) {
            return;
        }
        // The values' own code runs here, and may come back to this very span: not under its lock.
        let limits = &self.handle.pipeline().limits;
        let mut scratch = Record::new();
        values.record(&mut FieldRecorder { record: &mut scratch, limits });
        self.handle.pipeline().table.with(id, |record| record.merge(&scratch, limits));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        let Some(cause) = self.handle.find(follows.into_u64()) else { return };
        let pipeline = self.handle.pipeline();
        pipeline.table.with(id.into_u64(), |record| {
            if record.span_context.recording {
                record.link(Link::to(&cause), &pipeline.limits);
            }
        });
    }

    #[inline]
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let error = is_error(metadata);
        if sql::is_sqlx(metadata) {
            let recorded = self.span_of(event, &context).filter(|(_, span)| span.recording);
            return sql::on_event(&self.handle, recorded, event);
        }
        if !error && *metadata.level() > self.handle.pipeline.copy_level {
            return;
        }
        let Some((id, span)) = self.span_of(event, &context) else {
            return;
        };
        if !span.recording || filter::is_excluded(metadata) {
            return;
        }
        if error {
            exception::record_event(self.handle.pipeline(), id, event);
        } else {
            event::copy(self.handle.pipeline(), id, event);
        }
    }

    #[inline]
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let layer = self.handle.pipeline_id();
        let known = thread_state::with(|thread| thread.enter_if_known(layer, id.into_u64()));
        if known == Some(false) {
            self.handle.enter_foreign(id.into_u64(), false);
        }
        #[cfg(feature = "otel-sdk")]
        if self.handle.pipeline.activates_context {
            crate::otel_context::enter(layer, id.into_u64());
        }
    }

    #[inline]
    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let layer = self.handle.pipeline_id();
        thread_state::with(|thread| thread.exit(layer, id.into_u64()));
        #[cfg(feature = "otel-sdk")]
        if self.handle.pipeline.activates_context {
            crate::otel_context::exit(layer, id.into_u64());
        }
    }

    #[inline]
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let id = id.into_u64();
        let in_table = thread_state::with(|thread| thread.close(self.handle.pipeline_id(), id));
        if in_table != Some(false)
            && let Some(mut record) = self.handle.pipeline().table.remove(id)
        {
            if std::mem::take(&mut record.entered_elsewhere) {
                closed::increment(id);
            }
            self.handle.pipeline().finish(record);
        }
    }

    #[allow(unsafe_code, reason = "the only way through a subscriber to one of its layers")]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            Some(std::ptr::from_ref(self).cast())
        } else if id == TypeId::of::<SpanResolver>() {
            Some(std::ptr::from_ref(&self.resolver).cast())
        } else if id == TypeId::of::<SpanFollower>() {
            Some(std::ptr::from_ref(&self.follower).cast())
        } else if id == TypeId::of::<Handle>() {
            Some(std::ptr::from_ref(&self.handle).cast())
        } else {
            None
        }
    }
}

impl fmt::Debug for TraceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer").finish_non_exhaustive()
    }
}

#[inline]
fn is_error(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::ERROR
}
