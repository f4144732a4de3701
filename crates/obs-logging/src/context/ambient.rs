//! The fields of one request, or of one job, shared by the threads that work on it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fields::Fields;
use super::pool::{Pool, SharedPool};

/// The limit of the fields of one context, in bytes: every line copies them.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// How many fields were left out at the limit, in all contexts.
pub(super) static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

static SHARED_POOL: SharedPool<Ambient> = SharedPool::new();

thread_local! {
    static POOL: Pool<Ambient> = const { Pool::new(|| &SHARED_POOL) };
}

#[derive(Default)]
pub(crate) struct Ambient {
    fields: Mutex<Arc<Fields>>,
    version: AtomicU32,
}

impl Ambient {
    pub(super) fn new(fields: Arc<Fields>) -> Self {
        Self { fields: Mutex::new(fields), version: AtomicU32::new(0) }
    }

    /// With what `fill` puts in, in a context of an earlier request if there is one.
    #[cfg(feature = "http")]
    pub(super) fn filled(fill: impl FnOnce(&mut Fields)) -> Arc<Self> {
        let mut fill = Some(fill);
        let mut pooled = |pool: &Pool<Self>| {
            let fill = fill.take()?;
            Some(pool.take(|ambient| ambient.fill(fill)))
        };
        // A thread at its end has no pool any more.
        POOL.try_with(&mut pooled).ok().flatten().unwrap_or_else(|| {
            let mut ambient = Self::default();
            if let Some(fill) = fill {
                ambient.fill(fill);
            }
            Arc::new(ambient)
        })
    }

    #[cfg(feature = "http")]
    fn fill(&mut self, fill: impl FnOnce(&mut Fields)) {
        let fields = self.fields.get_mut().unwrap_or_else(PoisonError::into_inner);
        fill(Arc::make_mut(fields));
    }

    /// One owner lets go: what nobody else holds is kept for another request.
    pub(super) fn release(this: &mut Arc<Self>) {
        let Some(ambient) = Arc::get_mut(this) else { return };
        let fields = ambient.fields.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(fields) = Arc::get_mut(fields)
            && fields.has_modest_room()
        {
            fields.clear();
            *ambient.version.get_mut() = 0;
            let _ = POOL.try_with(|pool| pool.give_back(this));
        }
    }

    pub(crate) fn append(&self, added: &Fields) {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if fields.as_bytes().len() + added.as_bytes().len() > MAX_BYTES {
            LEFT_OUT.fetch_add(added.len() as u64, Ordering::Relaxed);
            return;
        }
        Arc::make_mut(&mut fields).append(added);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with every change of the fields.
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> (u32, Arc<Fields>) {
        let fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        (self.version(), fields.clone())
    }
}
