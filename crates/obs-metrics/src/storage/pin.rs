//! Pins: a thread says that it is reading something which others may unlink; whoever unlinked it frees
//! it once every thread that was pinned then has let go.
//!
//! A pin is a few plain stores. The memory barrier that they would need is paid by the other side, which
//! asks the kernel for it; where that is refused, pins pay for a fence.

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
    let slab = thread::current().or_else(thread::current_or_take);
    match slab {
        Some(slab) => {
            slab.pins.store(slab.pins.load(Relaxed) + 1, Relaxed);
            if slab.fences {
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
                    slab.times.store(slab.times.load(Relaxed).wrapping_add(1), Release);
                }
            }
            None => {
                SHARED_PINS.fetch_sub(1, Release);
            }
        }
    }
}

/// Something that was unlinked and waits until nobody can be reading it.
#[derive(Debug)]
pub(crate) struct Retired<T> {
    _what: T,
    /// `None` until the barrier was made.
    waits: Option<Vec<(&'static Slab, u64)>>,
    shared: bool,
}

impl<T> Retired<T> {
    /// Takes what was just unlinked.
    pub(crate) fn new(what: T) -> Self {
        Self { _what: what, waits: None, shared: true }
    }

    /// Whether every thread that could have been reading it has let go.
    pub(crate) fn is_over(&mut self) -> bool {
        if self.waits.is_none() && barrier() {
            // A slab that is pinned anew between both loads is not waited for: that pin came after the
            // barrier and finds nothing that was unlinked before.
            let pinned = thread::all().map(|slab| (slab, slab.times.load(Acquire)));
            self.waits = Some(pinned.filter(|(slab, _)| slab.is_pinned()).collect());
        }
        let Some(waits) = &mut self.waits else { return false };
        waits.retain(|(slab, time)| slab.is_pinned() && slab.times.load(Acquire) == *time);
        self.shared = self.shared && SHARED_PINS.load(SeqCst) != 0;
        waits.is_empty() && !self.shared
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
    !membarrier::is_offered() || membarrier::make()
}
