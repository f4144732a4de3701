//! A pipeline and the subscriber that its spans are of: who is who, and where spans begin.

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
use crate::record::{Fields, Identity, Record};
use crate::{filter, local};

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
    pub(crate) fn number(&self) -> usize {
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
    pub(crate) fn above<S>(&self, context: &Context<'_, S>) -> Option<(u64, Identity)>
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
    pub(crate) fn enter_unknown(&self, id: u64, followed: bool) {
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
    pub(crate) fn keep(&self, mut record: Box<Record>, attributes: &Attributes<'_>, id: u64) {
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
