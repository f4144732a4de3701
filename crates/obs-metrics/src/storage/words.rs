//! A few numbered words, the same numbers in every thread's slab.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use super::address::in_one_register;
use super::sync::{PAGE, PAGES};
use super::thread::{self, Slab};

/// What words of their own have for a start: no slab has a page for it or for any number above.
const OUTSIDE: u32 = (PAGE * PAGES) as u32;

/// Consecutive words whose totals are the sum over all threads.
///
/// An addition by a thread that has a slab is a load and a store of its own word, whatever the other
/// threads do.
#[derive(Debug)]
pub(crate) struct Words {
    start: u32,
    length: u32,
    /// Stands in for the slabs once their million words are given out.
    own: Option<Box<Box<[AtomicU64]>>>,
}

impl Words {
    /// `length` words, all zero. At most a page of them can live in the slabs.
    pub(crate) fn new(length: usize) -> Self {
        match allocator().take(length) {
            Some(start) => Self { start, length: length as u32, own: None },
            None => Self {
                start: OUTSIDE,
                length: length as u32,
                own: Some(Box::new((0..length).map(|_| AtomicU64::new(0)).collect())),
            },
        }
    }

    /// Adds to the word at `at`.
    #[inline(always)]
    pub(crate) fn add(&self, at: usize, amount: u64) {
        match thread::current().and_then(|slab| slab.page(self.number(at))) {
            Some(page) => grow(&page[self.number(at) % PAGE], amount),
            None => self.add_slowly(at, amount),
        }
    }

    /// Adds one to the word at `at`, and `value` to the first word, which holds a float.
    #[inline(always)]
    pub(crate) fn observe(&self, at: usize, value: f64) {
        // All words lie in one page.
        match thread::current().and_then(|slab| slab.page(self.number(0))) {
            Some(page) => {
                grow(&page[self.number(at) % PAGE], 1);
                let sum = in_one_register(&page[self.number(0) % PAGE]);
                sum.store((f64::from_bits(sum.load(Relaxed)) + value).to_bits(), Relaxed);
            }
            None => self.observe_slowly(at, value),
        }
    }

    /// The total of the word at `at`.
    pub(crate) fn total(&self, at: usize) -> u64 {
        self.parts(at).fold(0, |total, word| total.wrapping_add(word.load(Relaxed)))
    }

    /// The total of the word at `at`, which holds a float.
    pub(crate) fn total_float(&self, at: usize) -> f64 {
        self.parts(at).map(|word| f64::from_bits(word.load(Relaxed))).sum()
    }

    #[inline(always)]
    fn number(&self, at: usize) -> usize {
        self.start as usize + at
    }

    #[cold]
    fn add_slowly(&self, at: usize, amount: u64) {
        match self.word_or_make(at) {
            (Some(word), true) => grow(word, amount),
            (Some(word), false) => {
                word.fetch_add(amount, Relaxed);
            }
            (None, _) => {}
        }
    }

    #[cold]
    fn observe_slowly(&self, at: usize, value: f64) {
        self.add_slowly(at, 1);
        let (Some(word), _) = self.word_or_make(0) else { return };
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        let _ = word.fetch_update(Relaxed, Relaxed, add);
    }

    /// The word to add to, and whether this thread alone writes it.
    fn word_or_make(&self, at: usize) -> (Option<&AtomicU64>, bool) {
        if let Some(own) = &self.own {
            return (own.get(at), false);
        }
        let number = self.number(at);
        match thread::current_or_take() {
            Some(slab) => (slab.word_or_make(number), true),
            None => (thread::common().word_or_make(number), false),
        }
    }

    fn parts(&self, at: usize) -> impl Iterator<Item = &AtomicU64> {
        let number = self.number(at);
        let own = self.own.as_ref().and_then(|own| own.get(at));
        slabs().filter_map(move |slab| slab.word(number)).chain(own)
    }
}

impl Drop for Words {
    /// Nobody holds the words any more, so no thread is writing them.
    fn drop(&mut self) {
        if self.own.is_some() {
            return;
        }
        let numbers = self.start as usize..(self.start + self.length) as usize;
        for slab in slabs() {
            for word in numbers.clone().filter_map(|number| slab.word(number)) {
                word.store(0, Relaxed);
            }
        }
        allocator().give_back(self.start, self.length as usize);
    }
}

/// Adds to a word that this thread alone writes.
#[inline(always)]
fn grow(word: &AtomicU64, amount: u64) {
    let word = in_one_register(word);
    word.store(word.load(Relaxed).wrapping_add(amount), Relaxed);
}

fn slabs() -> impl Iterator<Item = &'static Slab> {
    std::iter::once(thread::common()).chain(thread::all())
}

/// Which numbers are taken.
#[derive(Default)]
struct Allocator {
    next: usize,
    free: Option<HashMap<usize, Vec<u32>>>,
}

static ALLOCATOR: Mutex<Allocator> = Mutex::new(Allocator { next: 0, free: None });

fn allocator() -> std::sync::MutexGuard<'static, Allocator> {
    ALLOCATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Allocator {
    /// The first of `length` numbers that lie in one page, or `None` when there are none.
    fn take(&mut self, length: usize) -> Option<u32> {
        let free = self.free.as_mut().and_then(|free| free.get_mut(&length)?.pop());
        if free.is_some() {
            return free;
        }
        if length > PAGE {
            return None;
        }
        let left = PAGE - self.next % PAGE;
        let start = if length <= left { self.next } else { self.next + left };
        if start + length > PAGE * PAGES {
            return None;
        }
        self.next = start + length;
        Some(start as u32)
    }

    fn give_back(&mut self, start: u32, length: usize) {
        self.free.get_or_insert_default().entry(length).or_default().push(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_over_all_threads_dead_and_alive() {
        let words = Words::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        words.observe(1, 0.5);
                    }
                });
            }
        });
        words.add(1, 1);
        assert_eq!(words.total(1), 4001);
        assert!((words.total_float(0) - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn words_that_are_given_back_are_zero_again() {
        let start = {
            let words = Words::new(777);
            words.add(776, 9);
            words.start
        };
        let words = Words::new(777);
        assert_eq!(words.start, start);
        assert_eq!(words.total(776), 0);
    }

    #[test]
    fn words_beyond_a_page_live_on_their_own() {
        let words = Words::new(PAGE + 1);
        words.add(PAGE, 3);
        words.observe(1, 1.5);
        assert_eq!(words.total(PAGE), 3);
        assert!((words.total_float(0) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn words_of_their_own_share_nothing_with_the_slabs() {
        let slab: Vec<_> = (0..8).map(|_| Words::new(PAGE / 4)).collect();
        let places = [0, 1, 2, PAGE / 4 - 1];
        let fill = |words: &Words| places.iter().for_each(|at| words.add(*at, 5));
        slab.iter().for_each(fill);
        let own = Words::new(2 * PAGE + 1);
        for at in [0, 1, 2, PAGE / 4 - 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE] {
            assert_eq!(own.total(at), 0, "word {at} shows another metric's number");
            own.add(at, 7);
            assert_eq!(own.total(at), 7);
        }
        assert!(slab.iter().all(|words| places.iter().all(|at| words.total(*at) == 5)));
    }
}
