//! What the sampling allocator has seen, for its readers.

use std::time::SystemTime;

use crate::attach::symbols::Symbols;
use crate::error::Error;
use crate::inside::error::Kind;
use crate::inside::heap::stacks::Estimate;
use crate::inside::heap::{allocator, live, stacks, walker};
use crate::stack::{Frame, Stack};

/// How much memory; estimated from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// Allocations.
    pub objects: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// Memory by the stacks that allocated it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeapProfile {
    /// When it was taken.
    pub taken: SystemTime,
    /// Mean bytes between samples.
    pub interval: u64,
    /// Each stack once, the one with the most bytes in use first.
    pub samples: Vec<HeapSample>,
    /// Samples that were given up because there was no room, or no walker of stacks free.
    pub dropped: u64,
}

/// One stack that allocated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeapSample {
    /// Where.
    pub stack: Stack,
    /// What is not freed yet.
    pub in_use: Memory,
    /// Since sampling was started.
    pub allocated: Memory,
}

/// Starts sampling: one allocation in `interval` bytes on average, at random. [`INTERVAL`](super::INTERVAL) suits
/// production. Called again, it changes the interval; 0 is taken for 1, which samples everything.
///
/// # Errors
///
/// When the program has not installed the allocator, or its code cannot be read.
pub fn start(interval: usize) -> Result<(), Error> {
    // The allocator learns that it is installed with the first allocation of a thread.
    if !allocator::is_installed() {
        return Err(Kind::NotInstalled.into());
    }
    let prepared = allocator::unsampled(|| {
        live::prepare();
        walker::prepare().map(drop)
    });
    prepared.unwrap_or(Ok(()))?;
    allocator::set_mean(interval.max(1) as u64);
    Ok(())
}

/// What has been seen so far.
///
/// # Errors
///
/// When the program has not installed the allocator, sampling was not started, or the code cannot be read.
pub fn profile() -> Result<HeapProfile, Error> {
    match (allocator::is_installed(), allocator::mean()) {
        (false, _) => Err(Kind::NotInstalled.into()),
        (_, 0) => Err(Kind::NotStarted.into()),
        (_, mean) => {
            allocator::unsampled(|| read(mean)).unwrap_or_else(|| Err(Kind::Broken.into()))
        }
    }
}

fn read(mean: u64) -> Result<HeapProfile, Error> {
    // With the libraries that were loaded since.
    let code = walker::prepare()?;
    let stacks = stacks::all();
    let mut in_use = vec![Estimate::default(); stacks.len()];
    for sampled in live::all() {
        if let Some(estimate) = in_use.get_mut(sampled.stack as usize) {
            estimate.add(sampled.size, mean);
        }
    }
    let mut symbols = Symbols::new();
    symbols.resolve(&code, stacks.iter().map(|(stack, _)| &stack.frames));
    let samples = stacks.iter().zip(in_use).map(|((addresses, allocated), in_use)| HeapSample {
        stack: without_allocator(symbols.stack(&code, addresses)),
        in_use: Memory::of(in_use),
        allocated: Memory::of(*allocated),
    });
    let mut samples: Vec<_> = samples.filter(|sample| sample.allocated.objects > 0).collect();
    samples.sort_by_key(|sample| std::cmp::Reverse((sample.in_use.bytes, sample.allocated.bytes)));
    let dropped = stacks::dropped() + live::overflowed();
    Ok(HeapProfile { taken: SystemTime::now(), interval: mean, samples, dropped })
}

/// Its innermost frames are always this crate's, and the language's entry to it.
fn without_allocator(mut stack: Stack) -> Stack {
    const ENTRIES: [&str; 7] = [
        "obs_profiling::inside::heap::",
        "<obs_profiling::inside::heap::",
        "__rust_",
        "__rustc::__rust_",
        "alloc::alloc::alloc",
        "alloc::alloc::realloc",
        "<alloc::alloc::Global",
    ];
    let is_entry = |frame: &Frame| ENTRIES.iter().any(|entry| frame.function.starts_with(entry));
    let entry = stack.frames.iter().take(20).rposition(is_entry);
    stack.frames.drain(..entry.map_or(0, |entry| entry + 1));
    stack
}

impl Memory {
    fn of(estimate: Estimate) -> Self {
        Self { objects: estimate.objects.round() as u64, bytes: estimate.bytes.round() as u64 }
    }

    fn and(self, other: Self) -> Self {
        Self { objects: self.objects + other.objects, bytes: self.bytes + other.bytes }
    }
}

impl HeapProfile {
    /// All that is not freed yet.
    pub fn in_use(&self) -> Memory {
        self.samples.iter().fold(Memory::default(), |sum, sample| sum.and(sample.in_use))
    }

    /// All that was allocated since sampling was started.
    pub fn allocated(&self) -> Memory {
        self.samples.iter().fold(Memory::default(), |sum, sample| sum.and(sample.allocated))
    }
}
