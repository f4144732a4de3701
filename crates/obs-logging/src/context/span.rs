//! The fields of one span, after those of its parents: serialised once, when it is made.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ambient::Ambient;
use super::buffers;
use super::fields::Fields;

/// What lines inside a span carry of it.
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
    /// Takes `own`, or leaves it as it is, and uses the empty `room`.
    pub(crate) fn new(
        parent: Option<&Arc<Self>>,
        ambient: Option<Arc<Ambient>>,
        own: &mut Fields,
        mut room: Fields,
    ) -> Self {
        let own_len = own.len();
        let (initial_version, initial) = match parent {
            Some(parent) => {
                let version = parent.inherit(&mut room);
                room.append(own);
                (version, room)
            }
            None => (0, std::mem::replace(own, room)),
        };
        Self {
            parent: parent.cloned(),
            root: parent.map(|parent| parent.root.as_ref().unwrap_or(parent).clone()),
            ambient,
            tree: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            own_from: initial.len() - own_len,
            initial,
            initial_version,
            updated: Mutex::new(None),
        }
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

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
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

impl Drop for SpanContext {
    fn drop(&mut self) {
        buffers::give_back(std::mem::take(&mut self.initial));
    }
}
