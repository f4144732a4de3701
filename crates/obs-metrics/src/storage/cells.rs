//! Counters sharded over threads: a few cells, at the same indexes in every thread's slab.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use super::address::in_one_register;
use super::sync::{PAGE_SIZE, PAGES_PER_SLAB};
use super::thread::{self, Slab};

/// The start of cells outside the slabs: no slab has a page for it or for any index above.
const NO_SLAB_START: u32 = (PAGE_SIZE * PAGES_PER_SLAB) as u32;

/// Consecutive cells whose totals are the sum over all threads.
///
/// An addition by a thread that has a slab is a load and a store of its own word, whatever the other
/// threads do.
#[derive(Debug)]
pub(crate) struct ShardedCells {
    start: u32,
    length: u32,
    /// Replaces the slabs once their million cells are in use.
    own: Option<Box<Box<[AtomicU64]>>>,
}

impl ShardedCells {
    /// `length` words, all zero. At most a page of them can live in the slabs.
    pub(crate) fn new(length: usize) -> Self {
        match allocator().alloc(length) {
            Some(start) => Self { start, length: length as u32, own: None },
            None => Self {
                start: NO_SLAB_START,
                length: length as u32,
                own: Some(Box::new((0..length).map(|_| AtomicU64::new(0)).collect())),
            },
        }
    }

    /// Adds to the word at `at`.
    #[inline(always)]
    pub(crate) fn add(&self, at: usize, amount: u64) {
        match thread::current().and_then(|slab| slab.page(self.index(at))) {
            Some(page) => add_unshared(&page[self.index(at) % PAGE_SIZE], amount),
            None => self.add_slow(at, amount),
        }
    }

    /// Adds one to the word at `at`, and `value` to the first word, which holds a float.
    #[inline(always)]
    pub(crate) fn observe(&self, at: usize, value: f64) {
        // All words lie in one page.
        match thread::current().and_then(|slab| slab.page(self.index(0))) {
            Some(page) => {
                add_unshared(&page[self.index(at) % PAGE_SIZE], 1);
                let sum = in_one_register(&page[self.index(0) % PAGE_SIZE]);
                sum.store((f64::from_bits(sum.load(Relaxed)) + value).to_bits(), Relaxed);
            }
            None => self.observe_slow(at, value),
        }
    }

    /// The total of the word at `at`.
    pub(crate) fn total(&self, at: usize) -> u64 {
        self.all_cells(at).fold(0, |total, cell| total.wrapping_add(cell.load(Relaxed)))
    }

    /// The total of the word at `at`, which holds a float.
    pub(crate) fn total_float(&self, at: usize) -> f64 {
        self.all_cells(at).map(|cell| f64::from_bits(cell.load(Relaxed))).sum()
    }

    #[inline(always)]
    fn index(&self, at: usize) -> usize {
        self.start as usize + at
    }

    #[cold]
    fn add_slow(&self, at: usize, amount: u64) {
        match self.cell_or_create(at) {
            (Some(cell), true) => add_unshared(cell, amount),
            (Some(cell), false) => {
                cell.fetch_add(amount, Relaxed);
            }
            (None, _) => {}
        }
    }

    #[cold]
    fn observe_slow(&self, at: usize, value: f64) {
        self.add_slow(at, 1);
        let (Some(cell), _) = self.cell_or_create(0) else { return };
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _ = cell.fetch_update(Relaxed, Relaxed, add);
    }

    /// The word to add to, and whether this thread alone writes it.
    fn cell_or_create(&self, at: usize) -> (Option<&AtomicU64>, bool) {
        if let Some(own) = &self.own {
            return (own.get(at), false);
        }
        let index = self.index(at);
        match thread::current_or_acquire() {
            Some(slab) => (slab.cell_or_create(index), true),
            None => (thread::shared_slab().cell_or_create(index), false),
        }
    }

    fn all_cells(&self, at: usize) -> impl Iterator<Item = &AtomicU64> {
        let index = self.index(at);
        let own = self.own.as_ref().and_then(|own| own.get(at));
        slabs().filter_map(move |slab| slab.cell(index)).chain(own)
    }
}

impl Drop for ShardedCells {
    /// The last owner is gone, so no thread writes the cells.
    fn drop(&mut self) {
        if self.own.is_some() {
            return;
        }
        let numbers = self.start as usize..(self.start + self.length) as usize;
        for slab in slabs() {
            for cell in numbers.clone().filter_map(|index| slab.cell(index)) {
                cell.store(0, Relaxed);
            }
        }
        allocator().free(self.start, self.length as usize);
    }
}

/// Adds to a cell that this thread alone writes.
#[inline(always)]
fn add_unshared(cell: &AtomicU64, amount: u64) {
    let cell = in_one_register(cell);
    cell.store(cell.load(Relaxed).wrapping_add(amount), Relaxed);
}

fn slabs() -> impl Iterator<Item = &'static Slab> {
    std::iter::once(thread::shared_slab()).chain(thread::all())
}

/// Which indexes are in use.
#[derive(Default)]
struct IndexAllocator {
    next: usize,
    free: Option<HashMap<usize, Vec<u32>>>,
}

static ALLOCATOR: Mutex<IndexAllocator> = Mutex::new(IndexAllocator { next: 0, free: None });

fn allocator() -> std::sync::MutexGuard<'static, IndexAllocator> {
    ALLOCATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IndexAllocator {
    /// The first of `length` numbers that lie in one page, or `None` when there are none.
    fn alloc(&mut self, length: usize) -> Option<u32> {
        let free = self.free.as_mut().and_then(|free| free.get_mut(&length)?.pop());
        if free.is_some() {
            return free;
        }
        if length > PAGE_SIZE {
            return None;
        }
        let left = PAGE_SIZE - self.next % PAGE_SIZE;
        let start = if length <= left { self.next } else { self.next + left };
        if start + length > PAGE_SIZE * PAGES_PER_SLAB {
            return None;
        }
        self.next = start + length;
        Some(start as u32)
    }

    fn free(&mut self, start: u32, length: usize) {
        self.free.get_or_insert_default().entry(length).or_default().push(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_include_ended_threads() {
        let cells = ShardedCells::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        cells.observe(1, 0.5);
                    }
                });
            }
        });
        cells.add(1, 1);
        assert_eq!(cells.total(1), 4001);
        assert!((cells.total_float(0) - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn freed_cells_are_reused_as_zero() {
        let start = {
            let cells = ShardedCells::new(777);
            cells.add(776, 9);
            cells.start
        };
        let cells = ShardedCells::new(777);
        assert_eq!(cells.start, start);
        assert_eq!(cells.total(776), 0);
    }

    #[test]
    fn cells_beyond_page_are_outside_slabs() {
        let cells = ShardedCells::new(PAGE_SIZE + 1);
        cells.add(PAGE_SIZE, 3);
        cells.observe(1, 1.5);
        assert_eq!(cells.total(PAGE_SIZE), 3);
        assert!((cells.total_float(0) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn cells_outside_slabs_share_no_memory_with_slabs() {
        let slab: Vec<_> = (0..8).map(|_| ShardedCells::new(PAGE_SIZE / 4)).collect();
        let places = [0, 1, 2, PAGE_SIZE / 4 - 1];
        let fill = |cells: &ShardedCells| places.iter().for_each(|at| cells.add(*at, 5));
        slab.iter().for_each(fill);
        let own = ShardedCells::new(2 * PAGE_SIZE + 1);
        for at in
            [0, 1, 2, PAGE_SIZE / 4 - 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE]
        {
            assert_eq!(own.total(at), 0, "word {at} shows another metric's number");
            own.add(at, 7);
            assert_eq!(own.total(at), 7);
        }
        assert!(slab.iter().all(|cells| places.iter().all(|at| cells.total(*at) == 5)));
    }
}
