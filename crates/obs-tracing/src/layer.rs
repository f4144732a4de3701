//! From `tracing`'s calls to records.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, OnceLock};

use fastant::Instant;
use obs_context::SpanResolver;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::local::{self, Entry};
use crate::pipeline::{Conceived, Pipeline};
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
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) table: Arc<Table>,
    subscriber: Arc<OnceLock<WeakDispatch>>,
}

impl TraceLayer {
    pub(crate) fn new(handle: Handle) -> Self {
        let resolving = handle.clone();
        let resolver = SpanResolver::new(move |id| resolving.find(id).map(|open| open.active()));
        Self { handle, resolver }
    }

    /// The span that an event belongs to.
    fn span_of(&self, event: &Event<'_>) -> Option<Arc<Open>> {
        match event.parent() {
            Some(id) => self.handle.find_or_ancestor(id.into_u64()),
            None if event.is_contextual() => {
                local::with(|local| local.current(self.handle.pipeline.number()).cloned()).flatten()
            }
            None => None,
        }
    }
}

impl TraceLayer {
    /// Enters a span that another thread created, or that is not ours.
    #[cold]
    fn enter_unknown<S>(&self, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (layer, id) = (self.handle.pipeline.number(), id.into_u64());
        let entry = match self.handle.table.find(id) {
            Some(open) => Entry { layer, id, name: open.name, open, in_table: true },
            None => {
                let Some(metadata) = context.metadata(&Id::from_u64(id)) else { return };
                let Some(open) = self.handle.unsampled(id) else { return };
                if filter::is_telemetry(metadata) {
                    return;
                }
                Entry { layer, id, open, name: metadata.name(), in_table: false }
            }
        };
        local::with(|local| local.enter(entry));
    }
}

impl Handle {
    pub(crate) fn new(pipeline: Arc<Pipeline>, table: Table) -> Self {
        Self { pipeline, table: Arc::new(table), subscriber: Arc::default() }
    }

    /// The record of this span. A child in an unsampled trace has its parent's.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Open>> {
        let layer = self.pipeline.number();
        let known = local::with(|local| Some(Arc::clone(&local.known(layer, id)?.open))).flatten();
        known.or_else(|| self.table.find(id)).or_else(|| self.unsampled(id))
    }

    /// The record of this span, or of its nearest ancestor that is ours.
    fn find_or_ancestor(&self, id: u64) -> Option<Arc<Open>> {
        self.find(id).or_else(|| self.ancestor(id))
    }

    /// Unsampled children are in no table: their nearest ancestor that is in one is unsampled too.
    #[cold]
    fn unsampled(&self, id: u64) -> Option<Arc<Open>> {
        self.ancestor(id).filter(|open| !open.sampled)
    }

    #[cold]
    fn ancestor(&self, id: u64) -> Option<Arc<Open>> {
        let subscriber = self.subscriber.get()?.upgrade()?;
        let registry = subscriber.downcast_ref::<Registry>()?;
        registry.span(&Id::from_u64(id))?.scope().find_map(|span| {
            let id = span.id().into_u64();
            let layer = self.pipeline.number();
            let known = local::with(|local| Some(Arc::clone(&local.known(layer, id)?.open)));
            known.flatten().or_else(|| self.table.find(id))
        })
    }

    /// Creates a span: below `parent`, or, where it is `contextual`, below the current one. `fill` writes
    /// what it begins with into its record. `Err` has the parent of an unsampled child.
    #[inline]
    pub(crate) fn begin(
        &self,
        name: &'static str,
        parent: Option<&Arc<Open>>,
        contextual: bool,
        fill: impl FnOnce(&mut Record),
    ) -> Result<Arc<Open>, Arc<Open>> {
        let pipeline = &self.pipeline;
        let known = local::with(|local| pipeline.conceive(local, name, parent, contextual));
        let (birth, mut open) = match known.unwrap_or_else(|| pipeline.conceive_late(name, parent))
        {
            Conceived::New(birth, open) => (birth, open),
            Conceived::Unsampled(parent) => return Err(parent),
        };
        if let Some(open) = Arc::get_mut(&mut open) {
            start(open, name, birth, fill);
        } else {
            // Somebody still looks at the record's former span.
            let mut fresh = Open::blank();
            start(&mut fresh, name, birth, fill);
            open = Arc::new(fresh);
        }
        Ok(open)
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
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.handle.subscriber.set(subscriber.downgrade());
    }

    #[inline]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        if filter::is_telemetry(metadata) {
            return;
        }
        let parent = attributes.parent();
        let parent = parent.and_then(|id| self.handle.find_or_ancestor(id.into_u64()));
        let pipeline = &self.handle.pipeline;
        let (name, contextual) = (metadata.name(), attributes.is_contextual());
        let begun = self.handle.begin(name, parent.as_ref(), contextual, |record| {
            let limits = &pipeline.limits;
            attributes.record(&mut Fields { record, limits });
        });
        let (layer, id) = (pipeline.number(), id.into_u64());
        let entry = match begun {
            Ok(open) => {
                let in_table = self.handle.table.insert(id, Arc::clone(&open));
                if !in_table {
                    pipeline.refuse(&open);
                }
                Entry { layer, id, open, name, in_table }
            }
            Err(parent) => Entry { layer, id, open: parent, name, in_table: false },
        };
        local::with(|local| local.remember(entry));
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
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let query = sql::is_sqlx(metadata);
        if !query && !is_error(metadata) {
            return;
        }
        let Some(open) = self.span_of(event) else {
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
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let layer = self.handle.pipeline.number();
        let known = local::with(|local| local.enter_known(layer, id.into_u64()));
        if known == Some(false) {
            self.enter_unknown(id, &context);
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
        let in_table = local::with(|local| local.forget(self.handle.pipeline.number(), id));
        if in_table != Some(false)
            && let Some(open) = self.handle.table.remove(id)
        {
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
