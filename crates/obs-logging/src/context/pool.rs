//! A thread's pool of contexts that nobody holds any more, with the buffers that they have grown.

use std::cell::RefCell;
use std::sync::Arc;

const MAX_POOLED: usize = 32;

/// For a `thread_local!`.
pub(super) struct Pool<T>(RefCell<Vec<Arc<T>>>);

impl<T: Default> Pool<T> {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// A context that an earlier owner has emptied, or a new one, filled by `fill`.
    pub(super) fn take(&self, fill: impl FnOnce(&mut T)) -> Arc<T> {
        let pooled = self.0.try_borrow_mut().ok().and_then(|mut pool| pool.pop());
        let mut context = pooled.unwrap_or_default();
        if let Some(inside) = Arc::get_mut(&mut context) {
            fill(inside);
            return context;
        }
        let mut inside = T::default();
        fill(&mut inside);
        Arc::new(inside)
    }

    /// Keeps an emptied context that the caller is about to drop.
    pub(super) fn give_back(&self, context: &Arc<T>) {
        if let Ok(mut pool) = self.0.try_borrow_mut()
            && pool.len() < MAX_POOLED
        {
            pool.push(Arc::clone(context));
        }
    }
}
