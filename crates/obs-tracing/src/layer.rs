//! From `tracing`'s calls to records.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, OnceLock};

use fastant::Instant;
use obs_context::{FollowSpans, SpanFollower, SpanId, SpanResolver};
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::entry::Entry;
use crate::local;
use crate::pipeline::Pipeline;
use crate::record::{Fields, Identity, Link, Record};
use crate::{event, exception, filter, sql};

/// The layer that makes traces of `tracing` spans: made by [`Builder::build`](crate::Builder::build),
/// added to a `tracing_subscriber::Registry` beside any other layer.
///
/// It keeps the thread's active span (`obs_context::active_span`) up to date.
pub struct TraceLayer {
    handle: Handle,
    resolver: SpanResolver,
    follower: SpanFollower,
}

/// What the rest of the crate reaches through a subscriber: the layer answers for it in
/// `downcast_raw`.
#[derive(Clone)]
pub(crate) struct Handle {
    pipeline: Arc<Pipeline>,
    subscriber: Arc<OnceLock<WeakDispatch>>,
}

impl TraceLayer {
    pub(crate) fn new(handle: Handle) -> Self {
        let resolving = handle.clone();
        let resolver = SpanResolver::new(move |id| {
            resolving.find_or_ancestor(id).map(|(_, identity)| identity.active())
        });
        let follower = SpanFollower(Arc::new(handle.clone()));
        Self { handle, resolver, follower }
    }

    /// Bytes of one value that a span keeps.
    #[doc(hidden)]
    pub fn longest_value(&self) -> usize {
        self.handle.pipeline().limits.value_length as usize
    }

    /// The span that an event belongs to.
    fn span_of<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<(u64, Identity)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match event.parent() {
            Some(id) => self.handle.find_or_ancestor(id.into_u64()),
            None if event.is_contextual() => {
                let layer = self.handle.number();
                let current = |entry: &Entry| (entry.record, entry.identity.clone());
                let known = local::with(|local| local.current(layer).map(current)).flatten();
                known.or_else(|| self.handle.above(context))
            }
            None => None,
        }
    }
}

impl Handle {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, subscriber: Arc::default() }
    }

    #[inline]
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        self.pipeline.of_this_process()
    }

    /// Whether this process was forked since.
    pub(crate) fn is_inherited(&self) -> bool {
        self.pipeline.is_inherited()
    }

    pub(crate) fn warn_after_fork(&self) {
        self.pipeline.warn_after_fork();
    }

    /// The same in a forked child.
    #[inline]
    fn number(&self) -> usize {
        self.pipeline.number()
    }

    /// Who this span is. A child in an unsampled trace is its parent.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<Identity> {
        let known = self.known(id).filter(|(record, _)| *record == id);
        known
            .or_else(|| self.ancestor(id).filter(|(_, identity)| identity.is_out()))
            .map(|(_, of)| of)
    }

    /// Who this span is, or its nearest ancestor that is traced; and where that has its record.
    pub(crate) fn find_or_ancestor(&self, id: u64) -> Option<(u64, Identity)> {
        self.known(id).or_else(|| self.ancestor(id))
    }

    /// The nearest span that is ours above the subscriber's current one: for threads that entered one which
    /// is not, below one of ours that another thread is in.
    fn above<S>(&self, context: &Context<'_, S>) -> Option<(u64, Identity)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let current = context.current_span();
        self.find_or_ancestor(current.id()?.into_u64())
    }

    fn known(&self, id: u64) -> Option<(u64, Identity)> {
        let layer = self.number();
        let known = local::with(|local| {
            let entry = local.known(layer, id).filter(|entry| entry.identity.exists())?;
            Some((entry.record, entry.identity.clone()))
        });
        known.flatten().or_else(|| Some((id, self.pipeline().table.find(id)?)))
    }

    #[cold]
    fn ancestor(&self, id: u64) -> Option<(u64, Identity)> {
        let subscriber = self.subscriber.get()?.upgrade()?;
        let registry = subscriber.downcast_ref::<Registry>()?;
        registry.span(&Id::from_u64(id))?.scope().find_map(|span| self.known(span.id().into_u64()))
    }

    /// Enters a span that another thread created, or that is not traced: the thread is then in its nearest
    /// ancestor that is, or in none.
    #[cold]
    fn enter_unknown(&self, id: u64, followed: bool) {
        let Some(entry) = self.entry(id) else { return };
        local::with(|local| {
            local.attached(self.pipeline());
            local.enter(Entry { followed, foreign: true, ..entry });
        });
    }

    fn entry(&self, id: u64) -> Option<Entry> {
        let none = Entry { layer: self.number(), id, ..Entry::NONE };
        if let Some(identity) = self.pipeline().table.find(id) {
            return Some(Entry { identity, record: id, in_table: true, ..none });
        }
        // Without a Registry nothing is known of ancestors: what is current stays so.
        let subscriber = self.subscriber.get()?.upgrade()?;
        let span = subscriber.downcast_ref::<Registry>()?.span(&Id::from_u64(id))?;
        let ancestor = span.scope().find_map(|span| self.known(span.id().into_u64()));
        Some(match ancestor {
            Some((record, mut identity)) => {
                // Unsampled children are in no table: this may well be one.
                if identity.is_out() && !filter::is_left_out(span.metadata()) {
                    identity.name = span.metadata().name();
                }
                Entry { identity, record, ..none }
            }
            None => none,
        })
    }

    /// Creates a span that no subscriber knows, below a recorded one.
    pub(crate) fn begin(&self, name: &'static str, parent: &Identity) -> Box<Record> {
        let pipeline = self.pipeline();
        let taken = local::with(|local| {
            local.attached(pipeline).buffer.count(parent.recording);
            local.take()
        });
        let mut record = taken.unwrap_or_else(|| {
            pipeline.count_late(parent.recording);
            Box::new(Record::new())
        });
        parent.write_child(SpanId::random(), name, &mut record.identity);
        record
    }

    /// The same for the subscriber's span of this id; the thread remembers it as its last. There is no
    /// record of an unsampled child.
    #[inline]
    fn create<S>(
        &self,
        attributes: &Attributes<'_>,
        id: u64,
        context: &Context<'_, S>,
    ) -> Option<Box<Record>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let pipeline = self.pipeline();
        let name = attributes.metadata().name();
        let contextual = attributes.is_contextual();
        let parent = attributes.parent().and_then(|id| self.find_or_ancestor(id.into_u64()));
        let parent = parent.as_ref().map(|(_, identity)| identity);
        let above = || self.above(context).map(|(_, identity)| identity);
        let created =
            local::with(|local| local.create(pipeline, id, name, parent, contextual, above));
        created.unwrap_or_else(|| {
            let mut record = Box::new(Record::new());
            let rule = pipeline.rules.now();
            let wanted = pipeline.conceive(name, parent, None, || &rule, &mut record.identity);
            pipeline.count_late(record.identity.recording);
            wanted.then_some(record)
        })
    }

    /// Keeps the record of a span that was just created, with what it begins with.
    #[inline]
    fn keep(&self, mut record: Box<Record>, attributes: &Attributes<'_>, id: u64) {
        let pipeline = self.pipeline();
        if record.identity.recording {
            let limits = &pipeline.limits;
            attributes.record(&mut Fields { record: &mut record, limits });
            record.start = Instant::now();
        }
        let mut slot = Some(record);
        let opened =
            local::with(|local| slot.take().map(|record| local.open(pipeline, id, record)));
        let opened = opened.flatten().or_else(|| {
            slot.map(|record| pipeline.table.insert_elsewhere(id, record)) // the thread is at its end
        });
        if let Some(Err(refused)) = opened {
            pipeline.refuse(&refused);
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
        if filter::is_left_out(metadata) {
            return;
        }
        let id = id.into_u64();
        if let Some(record) = self.handle.create(attributes, id, &context) {
            self.handle.keep(record, attributes, id);
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
        values.record(&mut Fields { record: &mut scratch, limits });
        self.handle.pipeline().table.with(id, |record| record.absorb(&scratch, limits));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        let Some(cause) = self.handle.find(follows.into_u64()) else { return };
        let pipeline = self.handle.pipeline();
        pipeline.table.with(id.into_u64(), |record| {
            if record.identity.recording {
                record.link(Link::to(&cause), &pipeline.limits);
            }
        });
    }

    #[inline]
    fn on_event(&self, happened: &Event<'_>, context: Context<'_, S>) {
        let metadata = happened.metadata();
        let error = is_error(metadata);
        if sql::is_sqlx(metadata) {
            let recorded = self.span_of(happened, &context).filter(|(_, span)| span.recording);
            return sql::on_event(&self.handle, recorded, happened);
        }
        if !error && *metadata.level() > self.handle.pipeline.copied {
            return;
        }
        let Some((id, span)) = self.span_of(happened, &context) else {
            return;
        };
        if !span.recording || filter::is_left_out(metadata) {
            return;
        }
        if error {
            exception::of_event(self.handle.pipeline(), id, happened);
        } else {
            event::copy(self.handle.pipeline(), id, happened);
        }
    }

    #[inline]
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let layer = self.handle.number();
        let known = local::with(|local| local.enter_known(layer, id.into_u64()));
        if known == Some(false) {
            self.handle.enter_unknown(id.into_u64(), false);
        }
        #[cfg(feature = "otel-sdk")]
        if self.handle.pipeline.activates {
            crate::otel_context::enter(layer, id.into_u64());
        }
    }

    #[inline]
    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let layer = self.handle.number();
        local::with(|local| local.exit(layer, id.into_u64()));
        #[cfg(feature = "otel-sdk")]
        if self.handle.pipeline.activates {
            crate::otel_context::exit(layer, id.into_u64());
        }
    }

    #[inline]
    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let id = id.into_u64();
        let in_table = local::with(|local| local.forget(self.handle.number(), id));
        if in_table != Some(false)
            && let Some(record) = self.handle.pipeline().table.remove(id)
        {
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

impl FollowSpans for Handle {
    fn entered(&self, id: u64) {
        let layer = self.number();
        if local::with(|local| local.is_in(layer, id)) == Some(false) {
            self.enter_unknown(id, true);
        }
    }

    fn exited(&self, id: u64) {
        local::with(|local| local.exit_followed(self.number(), id));
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
