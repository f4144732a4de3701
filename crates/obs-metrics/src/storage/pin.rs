//! Pins: a thread announces that it reads something that others may unlink. Who unlinks it frees
//! it once every thread that was pinned at that time has unpinned.
//!
//! A pin is a few plain stores. The other side pays for the memory barrier that they would need: it
//! asks the kernel for one. Where the kernel has none, each pin is a fence.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use super::membarrier;
use super::sync::{AtomicUsize, compiler_fence, fence, shared};
use super::thread::{self, Slab};

// Pins of the threads that have no slab.
shared!(static SHARED_PINS: AtomicUsize = AtomicUsize::new(0));

/// What is unlinked while this lives is not freed before it is dropped.
///
/// It stays on its thread.
#[derive(Debug)]
pub(crate) struct Pin {
    slab: Option<&'static Slab>,
    stays: PhantomData<*const ()>,
}

/// Pins this thread.
#[inline(always)]
pub(crate) fn pin() -> Pin {
    let slab = thread::current().or_else(thread::current_or_acquire);
    match slab {
        Some(slab) => {
            slab.pins.store(slab.pins.load(Relaxed) + 1, Relaxed);
            if slab.needs_fence {
                fence(SeqCst);
            } else {
                compiler_fence(SeqCst);
            }
        }
        None => {
            SHARED_PINS.fetch_add(1, SeqCst);
            // The addition alone does not keep later loads behind it.
            fence(SeqCst);
        }
    }
    Pin { slab, stays: PhantomData }
}

impl Drop for Pin {
    #[inline(always)]
    fn drop(&mut self) {
        match self.slab {
            Some(slab) => {
                let left = slab.pins.load(Relaxed) - 1;
                slab.pins.store(left, Release);
                if left == 0 {
                    slab.unpin_count.store(slab.unpin_count.load(Relaxed).wrapping_add(1), Release);
                }
            }
            None => {
                SHARED_PINS.fetch_sub(1, Release);
            }
        }
    }
}

/// Something that was unlinked and is freed when no thread can be reading it.
#[derive(Debug)]
pub(crate) struct Retired<T> {
    _value: T,
    /// `None` until the barrier was made.
    pinned_slabs: Option<Vec<(&'static Slab, u64)>>,
    shared: bool,
}

impl<T> Retired<T> {
    /// Takes what was just unlinked.
    pub(crate) fn new(what: T) -> Self {
        Self { _value: what, pinned_slabs: None, shared: true }
    }

    /// Whether every thread that could be reading it has unpinned.
    pub(crate) fn is_reclaimable(&mut self) -> bool {
        if self.pinned_slabs.is_none() && barrier() {
            // A slab that is pinned again between both loads is not waited for: that pin came after the
            // barrier and finds nothing that was unlinked before.
            let pinned = thread::all().map(|slab| (slab, slab.unpin_count.load(Acquire)));
            self.pinned_slabs = Some(pinned.filter(|(slab, _)| slab.is_pinned()).collect());
        }
        let Some(pinned_slabs) = &mut self.pinned_slabs else { return false };
        pinned_slabs
            .retain(|(slab, time)| slab.is_pinned() && slab.unpin_count.load(Acquire) == *time);
        self.shared = self.shared && SHARED_PINS.load(SeqCst) != 0;
        pinned_slabs.is_empty() && !self.shared
    }
}

impl std::fmt::Debug for Slab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slab").finish_non_exhaustive()
    }
}

/// Makes every thread's earlier pin visible here, and everything unlinked here visible to its later
/// reads.
fn barrier() -> bool {
    fence(SeqCst);
    !membarrier::is_supported() || membarrier::issue()
}
