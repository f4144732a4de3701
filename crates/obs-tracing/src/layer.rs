//! From `tracing`'s calls to records.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use fastant::Instant;
use obs_context::SpanResolver;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::local::{self, Entry};
use crate::pipeline::Pipeline;
use crate::record::{Birth, Fields, Link, Open, Record};
use crate::table::Table;
use crate::{exception, filter, sql};

/// The layer that makes traces of `tracing` spans: made by [`Builder::build`](crate::Builder::build),
/// added to a `tracing_subscriber::Registry` beside any other layer.
///
/// It keeps the thread's active span (`obs_context::active_span`) up to date.
pub struct TraceLayer {
    handle: Handle,
    resolver: SpanResolver,
}

/// What the rest of the crate reaches through a subscriber: the layer answers for it in
/// `downcast_raw`.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) table: Arc<Table>,
}

impl TraceLayer {
    pub(crate) fn new(handle: Handle) -> Self {
        let resolving = handle.clone();
        let resolver = SpanResolver::new(move |id| resolving.find(id).map(|open| open.active()));
        Self { handle, resolver }
    }

    /// The span that an event belongs to.
    fn span_of<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<Arc<Open>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match event.parent() {
            Some(id) => self.explicit(id, context),
            None if event.is_contextual() => {
                local::with(|local| local.current(self.handle.pipeline.number()).cloned()).flatten()
            }
            None => None,
        }
    }

    /// The span of this id, or its nearest ancestor that is ours.
    fn explicit<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<Arc<Open>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.handle.find(id.into_u64()).or_else(|| self.ancestor(id, context))
    }

    /// The nearest ancestor that is ours, of a span that is not.
    #[cold]
    fn ancestor<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<Arc<Open>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        context.span(id)?.scope().find_map(|span| self.handle.find(span.id().into_u64()))
    }
}

impl Handle {
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Open>> {
        let layer = self.pipeline.number();
        let known = local::with(|local| local.known(layer, id).cloned()).flatten();
        known.or_else(|| self.table.find(id))
    }

    /// Creates a span: below `parent`, or, where it is `contextual`, below the current one. `fill` writes
    /// what it begins with into its record.
    #[inline]
    pub(crate) fn begin(
        &self,
        name: &'static str,
        parent: Option<&Open>,
        contextual: bool,
        fill: impl FnOnce(&mut Record),
    ) -> Arc<Open> {
        let pipeline = &self.pipeline;
        let known = local::with(|local| pipeline.conceive(local, name, parent, contextual));
        let (birth, mut open) = known.unwrap_or_else(|| pipeline.conceive_late(name, parent));
        if let Some(open) = Arc::get_mut(&mut open) {
            start(open, name, birth, fill);
        } else {
            // Somebody still looks at the record's former span.
            let mut fresh = Open::blank();
            start(&mut fresh, name, birth, fill);
            open = Arc::new(fresh);
        }
        open
    }
}

#[inline]
fn start(open: &mut Open, name: &'static str, birth: Birth, fill: impl FnOnce(&mut Record)) {
    let recording = birth.recording;
    open.begin(name, birth);
    if recording {
        let record = open.record_mut();
        fill(record);
        record.start = Instant::now();
    }
}

impl<S> tracing_subscriber::Layer<S> for TraceLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    #[inline]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if filter::is_telemetry(metadata) {
            return;
        }
        let parent = attributes.parent().and_then(|id| self.explicit(id, &context));
        let pipeline = &self.handle.pipeline;
        let contextual = attributes.is_contextual();
        let open = self.handle.begin(metadata.name(), parent.as_deref(), contextual, |record| {
            let limits = &pipeline.limits;
            attributes.record(&mut Fields { record, limits });
        });
        let id = id.into_u64();
        if !self.handle.table.insert(id, Arc::clone(&open)) {
            pipeline.refuse(&open);
        }
        let layer = pipeline.number();
        local::with(|local| local.remember(Entry { layer, id, open }));
    }

    #[inline]
    fn on_record(&self, id: &Id, values: &Values<'_>, _: Context<'_, S>) {
        let Some(open) = self.handle.find(id.into_u64()).filter(|open| open.recording) else {
            return;
        };
        // The values' own code runs here, and may come back to this very span: not under its lock.
        let limits = &self.handle.pipeline.limits;
        let mut scratch = Record::new();
        values.record(&mut Fields { record: &mut scratch, limits });
        open.record().absorb(&scratch, limits);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        let (Some(open), Some(cause)) =
            (self.handle.find(id.into_u64()), self.handle.find(follows.into_u64()))
        else {
            return;
        };
        if open.recording {
            open.record().link(Link::to(&cause), &self.handle.pipeline.limits);
        }
    }

    #[inline]
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let query = sql::is_query(metadata);
        if !query && !is_error(metadata) {
            return;
        }
        let Some(open) = self.span_of(event, &context) else {
            return;
        };
        if !open.recording || filter::is_telemetry(metadata) {
            return;
        }
        if query {
            sql::record(&self.handle, &open, event);
        } else {
            exception::of_event(&self.handle.pipeline, &open, event);
        }
    }

    #[inline]
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let id = id.into_u64();
        let layer = self.handle.pipeline.number();
        let known = local::with(|local| match local.take_known(layer, id) {
            Some(open) => {
                local.enter(Entry { layer, id, open });
                true
            }
            None => false,
        });
        if known == Some(false)
            && let Some(open) = self.handle.table.find(id)
        {
            local::with(|local| local.enter(Entry { layer, id, open }));
        }
    }

    #[inline]
    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let layer = self.handle.pipeline.number();
        local::with(|local| local.exit(layer, id.into_u64()));
    }

    #[inline]
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let id = id.into_u64();
        local::with(|local| local.forget(self.handle.pipeline.number(), id));
        if let Some(open) = self.handle.table.remove(id) {
            self.handle.pipeline.finish(open);
        }
    }

    #[allow(unsafe_code, reason = "the only way through a subscriber to one of its layers")]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            Some(std::ptr::from_ref(self).cast())
        } else if id == TypeId::of::<SpanResolver>() {
            Some(std::ptr::from_ref(&self.resolver).cast())
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
