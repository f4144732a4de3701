//! What has been allocated from where since the start.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, TryLockError};

use crate::attach::unwind::Addresses;
use crate::inside::heap::live::Sampled;
use crate::inside::heap::walker;

/// Different stacks; all further ones are one.
const MAX_STACKS: usize = 16 * 1024;
/// A lock is held for less than a microsecond, unless its thread is gone: this process was forked.
const MAX_ATTEMPTS: u32 = 2_000;

static STACKS: Mutex<Option<Stacks>> = Mutex::new(None);
static DROPPED: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Default)]
struct Stacks {
    numbers: HashMap<Arc<Addresses>, usize>,
    all: Vec<(Arc<Addresses>, Estimate)>,
}

/// How much memory samples stand for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate {
    pub(super) objects: f64,
    pub(super) bytes: f64,
}

impl Estimate {
    /// A block of this size is sampled by the chance `1 - exp(-size / mean)`: it stands for as many as
    /// make that certain.
    pub(super) fn add(&mut self, size: u64, mean: u64) {
        let chance = -(-(size as f64) / mean as f64).exp_m1();
        let objects = if chance > 0.0 { 1.0 / chance } else { 0.0 };
        self.objects += objects;
        self.bytes += objects * size as f64;
    }
}

/// Counts an allocation of this thread; `None` when it had to be dropped.
pub(super) fn sample(size: usize, mean: u64) -> Option<Sampled> {
    let size = size as u64;
    let number = walker::walk().and_then(|stack| {
        locked(|stacks| {
            let number = stacks.number(stack);
            if let Some((_, estimate)) = stacks.all.get_mut(number) {
                estimate.add(size, mean);
            }
            number
        })
    });
    if number.is_none() {
        DROPPED.fetch_add(1, Relaxed);
    }
    Some(Sampled { size, stack: number? as u64 })
}

/// Every stack with what was allocated there, by number.
pub(super) fn all() -> Vec<(Arc<Addresses>, Estimate)> {
    locked(|stacks| stacks.all.clone()).unwrap_or_default()
}

/// Samples that were given up.
pub(super) fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

fn locked<T>(work: impl FnOnce(&mut Stacks) -> T) -> Option<T> {
    for _ in 0..MAX_ATTEMPTS {
        let mut stacks = match STACKS.try_lock() {
            Ok(stacks) => stacks,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                std::thread::yield_now();
                continue;
            }
        };
        return Some(work(stacks.get_or_insert_default()));
    }
    None
}

impl Stacks {
    fn number(&mut self, stack: Addresses) -> usize {
        if let Some(number) = self.numbers.get(&stack) {
            return *number;
        }
        if self.all.is_empty() {
            // The first stands for all for which there is no room.
            self.all.push((Arc::default(), Estimate::default()));
        }
        if self.all.len() >= MAX_STACKS {
            return 0;
        }
        let stack = Arc::new(stack);
        self.all.push((Arc::clone(&stack), Estimate::default()));
        self.numbers.insert(stack, self.all.len() - 1);
        self.all.len() - 1
    }
}
