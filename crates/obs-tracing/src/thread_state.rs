//! The state of a thread: entered spans, pooled records, ended spans.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use obs_context::{fork_generation, set_active_span};

use crate::closed;
use crate::entry::{Entry, NO_ID};
use crate::open::ThreadBlock;
use crate::pipeline::{Pipeline, ThreadBuffer};
use crate::pool;
use crate::propagate::{Baggage, Origin, PropagatedState};
use crate::record::{Chunk, Record, SpanContext};
use crate::ring::Producer;
use crate::sample::CachedRule;

#[derive(Default)]
pub(crate) struct ThreadState {
    /// First the spans that were entered on this thread and not yet exited, of all layers; next to them
    /// the one that was created here, and created or exited last, which is most likely the next to be
    /// entered or closed, as long as its id is its own; then what is to be written over.
    spans: Vec<Entry>,
    /// How many of them are entered.
    depth: usize,
    /// Where spans come from that have no parent here.
    pub(crate) origin: Option<Origin>,
    /// What new spans carry in place of their parents' baggage.
    pub(crate) baggage: Option<Baggage>,
    pool: Chunk,
    /// An emptied pool, for the next chunk that is handed over.
    spare: Chunk,
    attachments: Vec<Attachment>,
}

/// The thread's end of a pipeline.
pub(crate) struct Attachment {
    layer: usize,
    /// The process that the pipeline was made in.
    generation: u32,
    pipeline: Weak<Pipeline>,
    pub(crate) buffer: Arc<ThreadBuffer>,
    ended: Producer<Box<Record>>,
    open: Option<ThreadBlock>,
    rule: CachedRule,
}

impl Attachment {
    fn is_inherited(&self) -> bool {
        self.generation != fork_generation()
    }
}

thread_local! {
    static THREAD_STATE: RefCell<ThreadState> = const {
        RefCell::new(ThreadState {
            spans: Vec::new(),
            depth: 0,
            origin: None,
            baggage: None,
            pool: Vec::new(),
            spare: Vec::new(),
            attachments: Vec::new(),
        })
    };
}

/// Does something with what the thread keeps; `None` when the thread is at its very end.
///
/// Nothing in here may run code of the application, which could come back.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut ThreadState) -> R) -> Option<R> {
    THREAD_STATE
        .try_with(|thread| thread.try_borrow_mut().ok().map(|mut thread| work(&mut thread)))
        .ok()?
}

impl ThreadState {
    /// The innermost span of this layer; `None` below an untraced root, too.
    #[inline]
    pub(crate) fn current(&self, layer: usize) -> Option<&Entry> {
        let innermost = self.entered().iter().rev().find(|entry| entry.layer == layer);
        innermost.filter(|entry| entry.span_context.is_valid())
    }

    /// The innermost span; `None` below an untraced root, too.
    #[inline]
    pub(crate) fn innermost(&self) -> Option<&Entry> {
        self.entered().last().filter(|entry| entry.span_context.is_valid())
    }

    #[inline]
    fn entered(&self) -> &[Entry] {
        self.spans.get(..self.depth).unwrap_or_default()
    }

    /// The pipeline of a layer whose spans this thread has created or entered.
    pub(crate) fn pipeline(&self, layer: usize) -> Option<Arc<Pipeline>> {
        let is_match =
            |attachment: &&Attachment| attachment.layer == layer && !attachment.is_inherited();
        self.attachments.iter().find(is_match)?.pipeline.upgrade()
    }

    /// The span of this id, where the thread knows it without asking the table.
    #[inline]
    pub(crate) fn lookup(&self, layer: usize, id: u64) -> Option<&Entry> {
        let is_match = |entry: &&Entry| entry.matches(layer, id);
        let last = self.spans.get(self.depth).filter(is_match).filter(|last| last.is_open());
        last.or_else(|| self.entered().iter().rev().find(is_match))
    }

    /// Creates a span for the subscriber's one of this id, below `parent` or, where it is `contextual`,
    /// below the current one or, where the thread is in none, below what `ancestor` finds, and remembers it as the
    /// last; there is no record of an unsampled child.
    #[inline]
    pub(crate) fn create(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: Option<&SpanContext>,
        contextual: bool,
        ancestor: impl FnOnce() -> Option<SpanContext>,
    ) -> Option<Box<Record>> {
        if self.depth == 0
            && contextual
            && let Some(parent) = ancestor()
        {
            return self.create_below(pipeline, id, name, &parent);
        }
        self.create_in(pipeline, id, name, parent, contextual)
    }

    #[cold]
    fn create_below(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: &SpanContext,
    ) -> Option<Box<Record>> {
        self.create_in(pipeline, id, name, Some(parent), false)
    }

    #[inline]
    fn create_in(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: Option<&SpanContext>,
        contextual: bool,
    ) -> Option<Box<Record>> {
        if self.spans.len() == self.depth {
            self.spans.push(Entry::NONE);
        }
        let layer = pipeline.id();
        let (entered, rest) = self.spans.split_at_mut_checked(self.depth)?;
        let last = rest.first_mut()?;
        let current = match parent {
            None if contextual => entered.iter().rev().find(|entry| entry.layer == layer),
            _ => None,
        };
        let current = current.filter(|entry| entry.span_context.is_valid());
        let parent = parent.or(current.map(|entry| &entry.span_context));
        let origin = self.origin.as_ref();
        let Attachment { rule, buffer, .. } = attachment(&mut self.attachments, pipeline);
        let span_context = &mut last.span_context;
        let wanted = pipeline.start_span(
            name,
            parent,
            origin,
            || rule.update(&pipeline.rules),
            span_context,
        );
        // With baggage of its own, an unsampled child is more than an alias of its parent.
        let in_table = wanted || self.baggage.is_some();
        (last.layer, last.id, last.record, last.foreign) = (layer, id, id, false);
        (last.in_table, last.followed, last.closed) = (in_table, false, closed::count(id));
        if let Some(baggage) = &self.baggage {
            last.span_context.propagated =
                PropagatedState::with(last.span_context.propagated.as_ref(), baggage);
        }
        buffer.count(last.span_context.recording);
        let span_id = last.span_context.span_id;
        in_table.then(|| {
            let mut record = take(&mut self.pool, &mut self.spare);
            match parent.filter(|_| self.baggage.is_none()) {
                Some(parent) => parent.write_child(span_id, name, &mut record.span_context),
                None => record.span_context = last.span_context.clone(),
            }
            record
        })
    }

    /// Makes the span that was just created known to all threads; gives it back where there is no room.
    #[inline]
    pub(crate) fn open(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        record: Box<Record>,
    ) -> Result<(), Box<Record>> {
        let open = &mut self.attachment(pipeline).open;
        let rejected = pipeline.table.insert(open, id, record);
        if rejected.is_err()
            && let Some(last) = self.last(pipeline.id(), id)
        {
            last.in_table = false;
        }
        rejected
    }

    /// Remembers the span as the last one.
    #[inline]
    pub(crate) fn set_last(&mut self, entry: Entry) {
        match self.spans.get_mut(self.depth) {
            Some(last) => *last = entry,
            None => self.spans.push(entry),
        }
    }

    /// The last span, if it is this one.
    #[inline]
    pub(crate) fn last(&mut self, layer: usize, id: u64) -> Option<&mut Entry> {
        self.spans.get_mut(self.depth).filter(|last| last.matches(layer, id) && last.is_open())
    }

    /// The span is closed: whether the table may have its record.
    #[inline]
    pub(crate) fn close(&mut self, layer: usize, id: u64) -> bool {
        match self.last(layer, id) {
            Some(last) => {
                last.id = NO_ID;
                last.span_context.release();
                let in_table = last.in_table;
                // What was entered twice was remembered twice.
                let copies = self.spans.iter_mut().skip(self.depth + 1);
                copies.filter(|copy| copy.matches(layer, id)).for_each(|copy| copy.id = NO_ID);
                in_table
            }
            None => {
                closed::increment(id);
                true
            }
        }
    }

    /// Forgets the last span, so that what is created next is known to be new.
    #[cfg(feature = "http")]
    pub(crate) fn clear_last(&mut self) {
        if let Some(last) = self.spans.get_mut(self.depth) {
            last.id = NO_ID;
        }
    }

    /// Enters a span that the thread knows; `false` when it does not.
    #[inline]
    pub(crate) fn enter_if_known(&mut self, layer: usize, id: u64) -> bool {
        if self.last(layer, id).is_none() {
            let Some(entry) = self.lookup(layer, id).cloned() else { return false };
            self.set_last(entry);
        }
        self.enter_last();
        true
    }

    pub(crate) fn enter(&mut self, entry: Entry) {
        self.set_last(entry);
        self.enter_last();
    }

    #[inline]
    fn enter_last(&mut self) {
        if let Some(entry) = self.spans.get(self.depth) {
            self.depth += 1;
            set_active_span(Some(entry.span_context.active()));
        }
    }

    #[inline]
    pub(crate) fn exit(&mut self, layer: usize, id: u64) {
        self.exit_innermost(|entry| entry.matches(layer, id));
    }

    /// Whether the layer itself knows that it is in this span: another layer has nothing to add.
    pub(crate) fn is_in(&self, layer: usize, id: u64) -> bool {
        self.entered().last().is_some_and(|entry| entry.matches(layer, id) && !entry.followed)
    }

    /// Exits a span that another layer entered.
    pub(crate) fn exit_followed(&mut self, layer: usize, id: u64) {
        self.exit_innermost(|entry| entry.followed && entry.matches(layer, id));
    }

    #[inline]
    fn exit_innermost(&mut self, is_match: impl Fn(&Entry) -> bool) {
        let entered = self.spans.get_mut(..self.depth).unwrap_or_default();
        match entered.last() {
            Some(innermost) if is_match(innermost) => {}
            _ => match entered.iter().rposition(is_match) {
                Some(at) => entered[at..].rotate_left(1), // it becomes the last span all the same
                None => return,
            },
        }
        self.depth -= 1;
        if let Some(last) = self.spans.get_mut(self.depth) {
            last.mark_exited();
        }
        set_active_span(self.entered().last().map(|entry| entry.span_context.active()));
    }

    /// An empty record.
    pub(crate) fn take_record(&mut self) -> Box<Record> {
        take(&mut self.pool, &mut self.spare)
    }

    /// Keeps an empty record for the next span.
    #[inline]
    pub(crate) fn give_back(&mut self, record: Box<Record>) {
        if self.pool.len() < pool::CHUNK_SIZE {
            self.pool.push(record);
        }
    }

    /// Keeps an ended span; returns a chunk once it is large enough for the queue.
    #[inline]
    pub(crate) fn push_ended(
        &mut self,
        pipeline: &Arc<Pipeline>,
        record: Box<Record>,
        min_chunk: usize,
    ) -> Option<Chunk> {
        let attachment = self.attachment(pipeline);
        let (waiting, rejected) = match attachment.ended.push(record) {
            Ok(waiting) => (waiting, None),
            Err(rejected) => (min_chunk, Some(rejected)),
        };
        if waiting < min_chunk {
            return None;
        }
        let buffer = Arc::clone(&attachment.buffer);
        let mut chunk = std::mem::take(&mut self.spare);
        buffer.take(&mut chunk);
        chunk.extend(rejected);
        Some(chunk)
    }

    /// This thread's end of the pipeline.
    #[inline]
    pub(crate) fn attachment(&mut self, pipeline: &Arc<Pipeline>) -> &mut Attachment {
        attachment(&mut self.attachments, pipeline)
    }
}

#[inline]
fn attachment<'a>(
    attachments: &'a mut Vec<Attachment>,
    pipeline: &Arc<Pipeline>,
) -> &'a mut Attachment {
    let at = match attachments
        .iter()
        .position(|attachment| attachment.pipeline.as_ptr() == &raw const **pipeline)
    {
        Some(at) => at,
        None => attach(attachments, pipeline),
    };
    &mut attachments[at]
}

#[cold]
fn attach(attachments: &mut Vec<Attachment>, pipeline: &Arc<Pipeline>) -> usize {
    // Not by a look at the pipelines: letting go of the last reference to one runs its drop.
    attachments
        .retain(|attachment| attachment.pipeline.strong_count() > 0 && !attachment.is_inherited());
    let (buffer, ended) = pipeline.attach();
    let rule = pipeline.rules.cached();
    attachments.push(Attachment {
        layer: pipeline.id(),
        generation: pipeline.generation,
        pipeline: Arc::downgrade(pipeline),
        buffer,
        ended,
        open: None,
        rule,
    });
    attachments.len() - 1
}

#[inline]
fn take(pool: &mut Chunk, spare: &mut Chunk) -> Box<Record> {
    let pooled = pool.pop().or_else(|| refill(pool, spare));
    pooled.unwrap_or_else(|| Box::new(Record::new()))
}

#[cold]
fn refill(pool: &mut Chunk, spare: &mut Chunk) -> Option<Box<Record>> {
    *spare = std::mem::replace(pool, pool::take_chunk()?);
    pool.pop()
}

impl Drop for ThreadState {
    fn drop(&mut self) {
        for attachment in self.attachments.drain(..) {
            if let Some(pipeline) = attachment.pipeline.upgrade()
                && !pipeline.is_inherited()
            {
                pipeline.detach(&attachment.buffer);
            }
        }
        pool::return_chunk(std::mem::take(&mut self.pool));
    }
}
