//! The fields of one span, with those of its parents in front: serialised once, when it is made.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ambient::Ambient;
use super::fields::Fields;

/// What lines inside a span carry of it.
pub(crate) struct SpanContext {
    parent: Option<Arc<Self>>,
    /// The outermost span; `None` for that one itself.
    root: Option<Arc<Self>>,
    /// The request that the span was born in.
    ambient: Option<Arc<Ambient>>,
    /// Of the root: changes with every later `record` on any span of the tree.
    tree: AtomicU32,
    closed: AtomicBool,
    flat: Mutex<Flat>,
}

struct Flat {
    /// The parents' fields, then its own from `own_from` on.
    fields: Arc<Fields>,
    own_from: usize,
    /// The version of the tree that `fields` shows.
    version: u32,
}

impl SpanContext {
    pub(crate) fn new(
        parent: Option<&Arc<Self>>,
        ambient: Option<Arc<Ambient>>,
        own: &Fields,
    ) -> Self {
        let (version, fields) = match parent {
            Some(parent) => {
                let (version, inherited) = parent.snapshot();
                let mut fields = Fields::with_room_for(&inherited, own);
                fields.append(&inherited);
                fields.append(own);
                (version, fields)
            }
            None => (0, own.clone()),
        };
        let own_from = fields.len() - own.len();
        Self {
            parent: parent.cloned(),
            root: parent.map(|parent| parent.root.as_ref().unwrap_or(parent).clone()),
            ambient,
            tree: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            flat: Mutex::new(Flat { fields: Arc::new(fields), own_from, version }),
        }
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

    pub(crate) fn snapshot(&self) -> (u32, Arc<Fields>) {
        let flat = self.up_to_date();
        (flat.version, flat.fields.clone())
    }

    /// Takes later values in, which children show from now on, too.
    pub(crate) fn record(&self, values: &Fields) {
        let mut flat = self.up_to_date();
        let mut own = Fields::new();
        own.append_from(&flat.fields, flat.own_from);
        own.append(values);
        flat.rebase_onto_front(&own);
        let tree = self.root.as_ref().map_or(&self.tree, |root| &root.tree);
        let before = tree.fetch_add(1, Ordering::Release);
        if flat.version == before {
            flat.version = before.wrapping_add(1);
        }
    }

    fn up_to_date(&self) -> MutexGuard<'_, Flat> {
        let mut flat = self.flat.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.version();
        if flat.version != version {
            if let Some(parent) = &self.parent {
                // Locks go from child to parent only.
                let inherited = parent.snapshot().1;
                let mut fields = Fields::new();
                fields.append(&inherited);
                fields.append_from(&flat.fields, flat.own_from);
                flat.own_from = fields.len() - (flat.fields.len() - flat.own_from);
                flat.fields = Arc::new(fields);
            }
            flat.version = version;
        }
        flat
    }
}

impl Flat {
    /// Replaces the span's own fields.
    fn rebase_onto_front(&mut self, own: &Fields) {
        let mut fields = Fields::new();
        fields.append_until(&self.fields, self.own_from);
        fields.append(own);
        self.own_from = fields.len() - own.len();
        self.fields = Arc::new(fields);
    }
}
