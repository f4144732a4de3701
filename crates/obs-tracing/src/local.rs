//! What a thread keeps for itself: the spans it is in, records to reuse, ended spans to hand over.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use obs_context::{fork_generation, set_active_span};

use crate::closed;
use crate::entry::{Entry, NOBODY};
use crate::open::OwnBlock;
use crate::pipeline::{Buffer, Pipeline};
use crate::pool;
use crate::propagate::{Baggage, Carried, Origin};
use crate::record::{Chunk, Identity, Record};
use crate::ring::Producer;
use crate::sample::KnownRule;

#[derive(Default)]
pub(crate) struct Local {
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
    attached: Vec<Attached>,
}

/// The thread's end of a pipeline.
pub(crate) struct Attached {
    layer: usize,
    /// The process that the pipeline was made in.
    generation: u32,
    pipeline: Weak<Pipeline>,
    pub(crate) buffer: Arc<Buffer>,
    ended: Producer<Box<Record>>,
    open: Option<OwnBlock>,
    rule: KnownRule,
}

impl Attached {
    fn is_inherited(&self) -> bool {
        self.generation != fork_generation()
    }
}

thread_local! {
    static LOCAL: RefCell<Local> = const {
        RefCell::new(Local {
            spans: Vec::new(),
            depth: 0,
            origin: None,
            baggage: None,
            pool: Vec::new(),
            spare: Vec::new(),
            attached: Vec::new(),
        })
    };
}

/// Does something with what the thread keeps; `None` when the thread is at its very end.
///
/// Nothing in here may run code of the application, which could come back.
#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&mut Local) -> R) -> Option<R> {
    LOCAL.try_with(|local| local.try_borrow_mut().ok().map(|mut local| work(&mut local))).ok()?
}

impl Local {
    /// The innermost span of this layer; `None` below an untraced root, too.
    #[inline]
    pub(crate) fn current(&self, layer: usize) -> Option<&Entry> {
        let innermost = self.entered().iter().rev().find(|entry| entry.layer == layer);
        innermost.filter(|entry| entry.identity.exists())
    }

    /// The innermost span; `None` below an untraced root, too.
    #[inline]
    pub(crate) fn innermost(&self) -> Option<&Entry> {
        self.entered().last().filter(|entry| entry.identity.exists())
    }

    #[inline]
    fn entered(&self) -> &[Entry] {
        self.spans.get(..self.depth).unwrap_or_default()
    }

    /// The pipeline of a layer whose spans this thread has created or entered.
    pub(crate) fn pipeline(&self, layer: usize) -> Option<Arc<Pipeline>> {
        let is_it = |attached: &&Attached| attached.layer == layer && !attached.is_inherited();
        self.attached.iter().find(is_it)?.pipeline.upgrade()
    }

    /// The span of this id, where the thread knows it without asking the table.
    #[inline]
    pub(crate) fn known(&self, layer: usize, id: u64) -> Option<&Entry> {
        let is_it = |entry: &&Entry| entry.is(layer, id);
        let last = self.spans.get(self.depth).filter(is_it).filter(|last| last.is_open());
        last.or_else(|| self.entered().iter().rev().find(is_it))
    }

    /// Creates a span for the subscriber's one of this id, below `parent` or, where it is `contextual`,
    /// below the current one or, where the thread is in none, the one `above`, and remembers it as the
    /// last; there is no record of an unsampled child.
    #[inline]
    pub(crate) fn create(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: Option<&Identity>,
        contextual: bool,
        above: impl FnOnce() -> Option<Identity>,
    ) -> Option<Box<Record>> {
        if self.depth == 0
            && contextual
            && let Some(parent) = above()
        {
            return self.create_below(pipeline, id, name, &parent);
        }
        self.create_here(pipeline, id, name, parent, contextual)
    }

    #[cold]
    fn create_below(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: &Identity,
    ) -> Option<Box<Record>> {
        self.create_here(pipeline, id, name, Some(parent), false)
    }

    #[inline]
    fn create_here(
        &mut self,
        pipeline: &Arc<Pipeline>,
        id: u64,
        name: &'static str,
        parent: Option<&Identity>,
        contextual: bool,
    ) -> Option<Box<Record>> {
        if self.spans.len() == self.depth {
            self.spans.push(Entry::NONE);
        }
        let layer = pipeline.number();
        let (entered, rest) = self.spans.split_at_mut_checked(self.depth)?;
        let last = rest.first_mut()?;
        let current = match parent {
            None if contextual => entered.iter().rev().find(|entry| entry.layer == layer),
            _ => None,
        };
        let current = current.filter(|entry| entry.identity.exists());
        let parent = parent.or(current.map(|entry| &entry.identity));
        let origin = self.origin.as_ref();
        let Attached { rule, buffer, .. } = attached(&mut self.attached, pipeline);
        let identity = &mut last.identity;
        let wanted =
            pipeline.conceive(name, parent, origin, || rule.update(&pipeline.rules), identity);
        // With baggage of its own, an unsampled child is more than an alias of its parent.
        let in_table = wanted || self.baggage.is_some();
        (last.layer, last.id, last.record, last.foreign) = (layer, id, id, false);
        (last.in_table, last.followed, last.closed) = (in_table, false, closed::count(id));
        if let Some(baggage) = &self.baggage {
            last.identity.carried = Carried::with(last.identity.carried.as_ref(), baggage);
        }
        buffer.count(last.identity.recording);
        let span_id = last.identity.span_id;
        in_table.then(|| {
            let mut record = take(&mut self.pool, &mut self.spare);
            match parent.filter(|_| self.baggage.is_none()) {
                Some(parent) => parent.write_child(span_id, name, &mut record.identity),
                None => record.identity = last.identity.clone(),
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
        let open = &mut self.attached(pipeline).open;
        let refused = pipeline.table.insert(open, id, record);
        if refused.is_err()
            && let Some(last) = self.last(pipeline.number(), id)
        {
            last.in_table = false;
        }
        refused
    }

    /// Remembers the span as the last one.
    #[inline]
    pub(crate) fn remember(&mut self, entry: Entry) {
        match self.spans.get_mut(self.depth) {
            Some(last) => *last = entry,
            None => self.spans.push(entry),
        }
    }

    /// The last span, if it is this one.
    #[inline]
    pub(crate) fn last(&mut self, layer: usize, id: u64) -> Option<&mut Entry> {
        self.spans.get_mut(self.depth).filter(|last| last.is(layer, id) && last.is_open())
    }

    /// The span is closed: whether the table may have its record.
    #[inline]
    pub(crate) fn forget(&mut self, layer: usize, id: u64) -> bool {
        match self.last(layer, id) {
            Some(last) => {
                last.id = NOBODY;
                last.identity.release();
                let in_table = last.in_table;
                // What was entered twice was remembered twice.
                let copies = self.spans.iter_mut().skip(self.depth + 1);
                copies.filter(|copy| copy.is(layer, id)).for_each(|copy| copy.id = NOBODY);
                in_table
            }
            None => {
                closed::add(id);
                true
            }
        }
    }

    /// Forgets the last span, so that what is created next is known to be new.
    #[cfg(feature = "http")]
    pub(crate) fn forget_last(&mut self) {
        if let Some(last) = self.spans.get_mut(self.depth) {
            last.id = NOBODY;
        }
    }

    /// Enters a span that the thread knows; `false` when it does not.
    #[inline]
    pub(crate) fn enter_known(&mut self, layer: usize, id: u64) -> bool {
        if self.last(layer, id).is_none() {
            let Some(entry) = self.known(layer, id).cloned() else { return false };
            self.remember(entry);
        }
        self.enter_last();
        true
    }

    pub(crate) fn enter(&mut self, entry: Entry) {
        self.remember(entry);
        self.enter_last();
    }

    #[inline]
    fn enter_last(&mut self) {
        if let Some(entry) = self.spans.get(self.depth) {
            self.depth += 1;
            set_active_span(Some(entry.identity.active()));
        }
    }

    #[inline]
    pub(crate) fn exit(&mut self, layer: usize, id: u64) {
        self.exit_innermost(|entry| entry.is(layer, id));
    }

    /// Whether the layer itself knows that it is in this span: another layer has nothing to add.
    pub(crate) fn is_in(&self, layer: usize, id: u64) -> bool {
        self.entered().last().is_some_and(|entry| entry.is(layer, id) && !entry.followed)
    }

    /// Exits a span that another layer entered.
    pub(crate) fn exit_followed(&mut self, layer: usize, id: u64) {
        self.exit_innermost(|entry| entry.followed && entry.is(layer, id));
    }

    #[inline]
    fn exit_innermost(&mut self, is_it: impl Fn(&Entry) -> bool) {
        let entered = self.spans.get_mut(..self.depth).unwrap_or_default();
        match entered.last() {
            Some(innermost) if is_it(innermost) => {}
            _ => match entered.iter().rposition(is_it) {
                Some(at) => entered[at..].rotate_left(1), // it becomes the last span all the same
                None => return,
            },
        }
        self.depth -= 1;
        if let Some(last) = self.spans.get_mut(self.depth) {
            last.leave();
        }
        set_active_span(self.entered().last().map(|entry| entry.identity.active()));
    }

    /// An empty record.
    pub(crate) fn take(&mut self) -> Box<Record> {
        take(&mut self.pool, &mut self.spare)
    }

    /// Keeps an empty record for the next span.
    #[inline]
    pub(crate) fn give_back(&mut self, record: Box<Record>) {
        if self.pool.len() < pool::CHUNK {
            self.pool.push(record);
        }
    }

    /// Keeps an ended span; a chunk that is worth handing over comes back.
    #[inline]
    pub(crate) fn end(
        &mut self,
        pipeline: &Arc<Pipeline>,
        record: Box<Record>,
        worth: usize,
    ) -> Option<Chunk> {
        let attached = self.attached(pipeline);
        let (waiting, refused) = match attached.ended.push(record) {
            Ok(waiting) => (waiting, None),
            Err(refused) => (worth, Some(refused)),
        };
        if waiting < worth {
            return None;
        }
        let buffer = Arc::clone(&attached.buffer);
        let mut chunk = std::mem::take(&mut self.spare);
        buffer.take(&mut chunk);
        chunk.extend(refused);
        Some(chunk)
    }

    /// This thread's end of the pipeline.
    #[inline]
    pub(crate) fn attached(&mut self, pipeline: &Arc<Pipeline>) -> &mut Attached {
        attached(&mut self.attached, pipeline)
    }
}

#[inline]
fn attached<'a>(known: &'a mut Vec<Attached>, pipeline: &Arc<Pipeline>) -> &'a mut Attached {
    let at =
        match known.iter().position(|attached| attached.pipeline.as_ptr() == &raw const **pipeline)
        {
            Some(at) => at,
            None => attach(known, pipeline),
        };
    &mut known[at]
}

#[cold]
fn attach(known: &mut Vec<Attached>, pipeline: &Arc<Pipeline>) -> usize {
    // Not by a look at the pipelines: letting go of the last reference to one runs its drop.
    known.retain(|attached| attached.pipeline.strong_count() > 0 && !attached.is_inherited());
    let (buffer, ended) = pipeline.attach();
    let rule = pipeline.rules.known();
    known.push(Attached {
        layer: pipeline.number(),
        generation: pipeline.generation,
        pipeline: Arc::downgrade(pipeline),
        buffer,
        ended,
        open: None,
        rule,
    });
    known.len() - 1
}

#[inline]
fn take(pool: &mut Chunk, spare: &mut Chunk) -> Box<Record> {
    let pooled = pool.pop().or_else(|| refill(pool, spare));
    pooled.unwrap_or_else(|| Box::new(Record::new()))
}

#[cold]
fn refill(pool: &mut Chunk, spare: &mut Chunk) -> Option<Box<Record>> {
    *spare = std::mem::replace(pool, pool::take()?);
    pool.pop()
}

impl Drop for Local {
    fn drop(&mut self) {
        for attached in self.attached.drain(..) {
            if let Some(pipeline) = attached.pipeline.upgrade()
                && !pipeline.is_inherited()
            {
                pipeline.detach(&attached.buffer);
            }
        }
        pool::give_back(std::mem::take(&mut self.pool));
    }
}
