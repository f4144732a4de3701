//! Contexts that nobody holds any more, with the buffers that they have grown: each thread keeps some, and
//! exchanges chunks with the others, since work may end on another thread than where it began.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// Contexts of one thread.
const MAX_POOLED: usize = 32;
/// Contexts that change threads at once.
const CHUNK: usize = MAX_POOLED / 2;
const MAX_CHUNKS: usize = 64;

/// One thread's, for a `thread_local!`.
pub(super) struct Pool<T: 'static> {
    own: RefCell<Vec<Arc<T>>>,
    /// A function, since Rust 1.88 refuses a constant that points at a `Mutex`.
    shared: fn() -> &'static SharedPool<T>,
}

/// What the threads exchange, for a `static`.
pub(super) struct SharedPool<T>(Mutex<Vec<Vec<Arc<T>>>>);

impl<T: Default> Pool<T> {
    pub(super) const fn new(shared: fn() -> &'static SharedPool<T>) -> Self {
        Self { own: RefCell::new(Vec::new()), shared }
    }

    /// A context that an earlier owner has emptied, or a new one, filled by `fill`.
    pub(super) fn take(&self, fill: impl FnOnce(&mut T)) -> Arc<T> {
        let mut context = self.pop().unwrap_or_default();
        if let Some(inside) = Arc::get_mut(&mut context) {
            fill(inside);
            return context;
        }
        let mut inside = T::default();
        fill(&mut inside);
        Arc::new(inside)
    }

    fn pop(&self) -> Option<Arc<T>> {
        let mut own = self.own.try_borrow_mut().ok()?;
        if own.is_empty()
            && let Some(chunk) = (self.shared)().lock().and_then(|mut chunks| chunks.pop())
        {
            *own = chunk;
        }
        own.pop()
    }

    /// Keeps an emptied context that the caller is about to drop.
    pub(super) fn give_back(&self, context: &Arc<T>) {
        let Ok(mut own) = self.own.try_borrow_mut() else { return };
        if own.len() >= MAX_POOLED {
            let chunk: Vec<_> = own.drain(..CHUNK).collect();
            if let Some(mut chunks) = (self.shared)().lock()
                && chunks.len() < MAX_CHUNKS
            {
                chunks.push(chunk);
            }
        }
        own.push(Arc::clone(context));
    }
}

impl<T> SharedPool<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Does without where another thread is at it: in a forked child that may be for ever.
    fn lock(&self) -> Option<MutexGuard<'_, Vec<Vec<Arc<T>>>>> {
        match self.0.try_lock() {
            Ok(chunks) => Some(chunks),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHARED: SharedPool<Vec<u32>> = SharedPool::new();

    #[test]
    fn contexts_returned_to_one_pool_are_reused_by_another() {
        let (begins, ends) = (Pool::new(|| &SHARED), Pool::new(|| &SHARED));
        let mut known = Vec::new();
        for _ in 0..MAX_POOLED + 1 {
            let context = Arc::default();
            ends.give_back(&context);
            known.push(Arc::as_ptr(&context));
        }
        let taken: Vec<_> = (0..CHUNK).map(|_| begins.take(|inside| inside.push(1))).collect();
        assert!(taken.iter().all(|context| known.contains(&Arc::as_ptr(context))));
        assert!(taken.iter().all(|context| **context == [1]));
    }

    #[test]
    fn held_context_is_not_reused() {
        static SHARED: SharedPool<Vec<u32>> = SharedPool::new();
        let pool = Pool::new(|| &SHARED);
        let held = Arc::default();
        pool.give_back(&held);
        assert_eq!(*pool.take(|inside| inside.push(1)), [1]);
        assert!(held.is_empty());
    }
}
