//! A pipeline and its subscriber: finds spans, and starts them.

use std::sync::{Arc, OnceLock};

use fastant::Instant;
use obs_context::{FollowSpans, SpanId};
use tracing::Subscriber;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::entry::Entry;
use crate::pipeline::Pipeline;
use crate::record::{FieldRecorder, Record, SpanContext};
use crate::{filter, thread_state};

/// What the rest of the crate reaches through a subscriber: the layer answers for it in
/// `downcast_raw`.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) subscriber: Arc<OnceLock<WeakDispatch>>,
}

impl Handle {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, subscriber: Arc::default() }
    }

    #[inline]
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        self.pipeline.in_this_process()
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
    pub(crate) fn pipeline_id(&self) -> usize {
        self.pipeline.id()
    }

    /// Who this span is. A child in an unsampled trace is its parent.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<SpanContext> {
        let known = self.lookup(id).filter(|(record, _)| *record == id);
        known
            .or_else(|| {
                self.traced_ancestor(id).filter(|(_, span_context)| span_context.is_unsampled())
            })
            .map(|(_, of)| of)
    }

    /// Who this span is, or its nearest ancestor that is traced; and where that has its record.
    pub(crate) fn find_or_ancestor(&self, id: u64) -> Option<(u64, SpanContext)> {
        self.lookup(id).or_else(|| self.traced_ancestor(id))
    }

    /// The nearest span that is ours above the subscriber's current one: for threads that entered one which
    /// is not, below one of ours that another thread is in.
    pub(crate) fn nearest_traced_ancestor<S>(
        &self,
        context: &Context<'_, S>,
    ) -> Option<(u64, SpanContext)>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let current = context.current_span();
        self.find_or_ancestor(current.id()?.into_u64())
    }

    fn lookup(&self, id: u64) -> Option<(u64, SpanContext)> {
        let layer = self.pipeline_id();
        let known = thread_state::with(|thread| {
            let entry = thread.lookup(layer, id).filter(|entry| entry.span_context.is_valid())?;
            Some((entry.record, entry.span_context.clone()))
        });
        known.flatten().or_else(|| Some((id, self.pipeline().table.find(id)?)))
    }

    #[cold]
    fn traced_ancestor(&self, id: u64) -> Option<(u64, SpanContext)> {
        let subscriber = self.subscriber.get()?.upgrade()?;
        let registry = subscriber.downcast_ref::<Registry>()?;
        registry.span(&Id::from_u64(id))?.scope().find_map(|span| self.lookup(span.id().into_u64()))
    }

    /// Enters a span that another thread created, or that is not traced: the thread is then in its nearest
    /// ancestor that is, or in none.
    #[cold]
    pub(crate) fn enter_foreign(&self, id: u64, followed: bool) {
        let pipeline = self.pipeline();
        let none = Entry { layer: self.pipeline_id(), id, foreign: true, followed, ..Entry::NONE };
        let entry = match pipeline.table.find_to_enter(id) {
            Some(span_context) => Entry { span_context, record: id, in_table: true, ..none },
            None => match self.entry_of_ancestor(id, none) {
                Some(entry) => entry,
                None => return,
            },
        };
        thread_state::with(|thread| {
            thread.attachment(pipeline);
            thread.enter(entry);
        });
    }

    fn entry_of_ancestor(&self, id: u64, none: Entry) -> Option<Entry> {
        // Without a Registry nothing is known of ancestors: what is current stays so.
        let subscriber = self.subscriber.get()?.upgrade()?;
        let span = subscriber.downcast_ref::<Registry>()?.span(&Id::from_u64(id))?;
        let ancestor = span.scope().find_map(|span| self.lookup(span.id().into_u64()));
        Some(match ancestor {
            Some((record, mut span_context)) => {
                // Unsampled children are in no table: this may well be one.
                if span_context.is_unsampled() && !filter::is_excluded(span.metadata()) {
                    span_context.name = span.metadata().name();
                }
                Entry { span_context, record, ..none }
            }
            None => none,
        })
    }

    /// Creates a span that no subscriber knows, below a recorded one.
    pub(crate) fn start_child(&self, name: &'static str, parent: &SpanContext) -> Box<Record> {
        let pipeline = self.pipeline();
        let taken = thread_state::with(|thread| {
            thread.attachment(pipeline).buffer.count(parent.recording);
            thread.take_record()
        });
        let mut record = taken.unwrap_or_else(|| {
            pipeline.count_at_thread_end(parent.recording);
            Box::new(Record::new())
        });
        parent.write_child(SpanId::random(), name, &mut record.span_context);
        record
    }

    /// The same for the subscriber's span of this id; the thread remembers it as its last. There is no
    /// record of an unsampled child.
    #[inline]
    pub(crate) fn create<S>(
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
        let parent = parent.as_ref().map(|(_, span_context)| span_context);
        let ancestor =
            || self.nearest_traced_ancestor(context).map(|(_, span_context)| span_context);
        let created = thread_state::with(|thread| {
            thread.create(pipeline, id, name, parent, contextual, ancestor)
        });
        created.unwrap_or_else(|| {
            let mut record = Box::new(Record::new());
            let rule = pipeline.rules.current();
            let wanted =
                pipeline.start_span(name, parent, None, || &rule, &mut record.span_context);
            pipeline.count_at_thread_end(record.span_context.recording);
            wanted.then_some(record)
        })
    }

    /// Keeps the record of a span that was just created, with what it begins with.
    #[inline]
    pub(crate) fn insert(&self, mut record: Box<Record>, attributes: &Attributes<'_>, id: u64) {
        let pipeline = self.pipeline();
        if record.span_context.recording {
            let limits = &pipeline.limits;
            attributes.record(&mut FieldRecorder { record: &mut record, limits });
            record.start = Instant::now();
        }
        let mut slot = Some(record);
        let opened = thread_state::with(|thread| {
            slot.take().map(|record| thread.open(pipeline, id, record))
        });
        let opened = opened.flatten().or_else(|| {
            slot.map(|record| pipeline.table.insert_in_shard(id, record)) // the thread is at its end
        });
        if let Some(Err(rejected)) = opened {
            pipeline.count_dropped(&rejected);
        }
    }
}

impl FollowSpans for Handle {
    fn entered(&self, id: u64) {
        let layer = self.pipeline_id();
        if thread_state::with(|thread| thread.is_in(layer, id)) == Some(false) {
            self.enter_foreign(id, true);
        }
    }

    fn exited(&self, id: u64) {
        thread_state::with(|thread| thread.exit_followed(self.pipeline_id(), id));
    }
}
