//! The fields of one span, after those of its parents: serialised once, when it is made.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ambient::Ambient;
use super::fields::Fields;
use super::pool::{Pool, SharedPool};

static SHARED_POOL: SharedPool<SpanContext> = SharedPool::new();

thread_local! {
    static POOL: Pool<SpanContext> = const { Pool::new(|| &SHARED_POOL) };
}

/// What lines inside a span carry of it.
#[derive(Default)]
pub(crate) struct SpanContext {
    parent: Option<Arc<Self>>,
    /// The outermost span; `None` for that one itself.
    root: Option<Arc<Self>>,
    /// The context in which the span was made.
    ambient: Option<Arc<Ambient>>,
    /// Of the root: changes with every `record` on any span of the tree.
    tree: AtomicU32,
    closed: AtomicBool,
    /// The parents' fields, then its own from `own_from` on, as they were when the span was made.
    initial: Fields,
    initial_version: u32,
    own_from: usize,
    /// The same after something was recorded.
    updated: Mutex<Option<Updated>>,
}

struct Updated {
    fields: Arc<Fields>,
    own_from: usize,
    /// The version of the tree that `fields` shows.
    version: u32,
}

impl SpanContext {
    /// Takes `own`, or leaves it as it is.
    pub(crate) fn open(
        parent: Option<&Arc<Self>>,
        ambient: Option<Arc<Ambient>>,
        own: &mut Fields,
    ) -> Arc<Self> {
        let fill = |span: &mut Self| span.fill(parent, ambient, own);
        // A thread at its end has no pool any more.
        let mut fill = Some(fill);
        let pooled = POOL.try_with(|pool| fill.take().map(|fill| pool.take(fill)));
        pooled.ok().flatten().unwrap_or_else(|| {
            let mut span = Self::default();
            if let Some(fill) = fill {
                fill(&mut span);
            }
            Arc::new(span)
        })
    }

    /// Of an empty one.
    fn fill(
        &mut self,
        parent: Option<&Arc<Self>>,
        ambient: Option<Arc<Ambient>>,
        own: &mut Fields,
    ) {
        let own_len = own.len();
        match parent {
            Some(parent) => {
                self.initial_version = parent.inherit(&mut self.initial);
                self.initial.append(own);
            }
            None => std::mem::swap(own, &mut self.initial),
        }
        self.own_from = self.initial.len() - own_len;
        self.parent = parent.cloned();
        self.root = parent.map(|parent| parent.root.as_ref().unwrap_or(parent).clone());
        self.ambient = ambient;
    }

    /// Adds the fields to those of a child that is being made; answers their version.
    fn inherit(&self, child: &mut Fields) -> u32 {
        if let Some(initial) = self.initial_fields() {
            child.append(initial);
            return self.initial_version;
        }
        let (version, fields) = self.snapshot();
        child.append(&fields);
        version
    }

    pub(crate) fn ambient(&self) -> Option<&Arc<Ambient>> {
        self.ambient.as_ref()
    }

    /// The span is over; its context is kept for another where nobody else holds it.
    pub(crate) fn close(mut this: Arc<Self>) {
        this.closed.store(true, Ordering::Relaxed);
        if let Some(span) = Arc::get_mut(&mut this)
            && span.initial.has_modest_room()
        {
            span.clear();
            let _ = POOL.try_with(|pool| pool.give_back(&this));
        }
    }

    fn clear(&mut self) {
        let mut initial = std::mem::take(&mut self.initial);
        initial.clear();
        *self = Self { initial, ..Self::default() };
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Changes whenever the fields of this span or of a parent may have changed.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.root.as_ref().map_or(&self.tree, |root| &root.tree).load(Ordering::Acquire)
    }

    /// The fields, while nothing has been recorded since the span was made.
    #[inline]
    pub(crate) fn initial_fields(&self) -> Option<&Fields> {
        (self.version() == self.initial_version).then_some(&self.initial)
    }

    /// The fields as they are now, and the version that this is.
    pub(crate) fn snapshot(&self) -> (u32, Arc<Fields>) {
        self.with_updated(|updated| (updated.version, updated.fields.clone()))
    }

    /// Adds values that were recorded; children show them from now on, too.
    pub(crate) fn record(&self, values: &Fields) {
        self.with_updated(|updated| {
            let mut own = Fields::new();
            own.append_from(&updated.fields, updated.own_from);
            own.append(values);
            let mut fields = Fields::new();
            fields.append_until(&updated.fields, updated.own_from);
            fields.append(&own);
            updated.own_from = fields.len() - own.len();
            updated.fields = Arc::new(fields);
            let tree = self.root.as_ref().map_or(&self.tree, |root| &root.tree);
            let before = tree.fetch_add(1, Ordering::Release);
            if updated.version == before {
                updated.version = before.wrapping_add(1);
            }
        });
    }

    /// Works on the fields as they are now. Locks are taken from child to parent only.
    fn with_updated<R>(&self, work: impl FnOnce(&mut Updated) -> R) -> R {
        let mut updated = self.updated.lock().unwrap_or_else(PoisonError::into_inner);
        let updated = updated.get_or_insert_with(|| Updated {
            fields: Arc::new(self.initial.clone()),
            own_from: self.own_from,
            version: self.initial_version,
        });
        let version = self.version();
        if updated.version != version {
            if let Some(parent) = &self.parent {
                let mut fields = Fields::new();
                fields.append(&parent.snapshot().1);
                fields.append_from(&updated.fields, updated.own_from);
                updated.own_from = fields.len() - (updated.fields.len() - updated.own_from);
                updated.fields = Arc::new(fields);
            }
            updated.version = version;
        }
        work(updated)
    }
}
