//! Where threads meet, run in every order that matters: the sources of the slabs, pins and tables, with
//! loom's atomics in place of the real ones.
//!
//! In place of the kernel's barrier, which loom does not know, stands the fence that pins make where the
//! kernel offers none.
#![allow(dead_code, unused_imports, reason = "the model uses a part of these sources")]
#![allow(unreachable_pub, reason = "the sources are made for another crate")]
#![allow(unsafe_code, reason = "the model looks into the cells that a free would write")]

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};

#[path = "../src/storage"]
mod storage {
    pub(crate) mod sync {
        pub(crate) use std::sync::atomic::compiler_fence;

        pub(crate) use loom::sync::Mutex;
        pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, fence};

        pub(crate) const PAGE_SIZE: usize = 2;
        pub(crate) const PAGES_PER_SLAB: usize = 2;
        pub(crate) const MAX_SLABS: usize = 3;

        macro_rules! shared {
            (static $name:ident: $type:ty = $value:expr) => {
                loom::lazy_static! { static ref $name: $type = $value; }
            };
        }

        macro_rules! local {
            (static $name:ident: $type:ty = $value:expr) => {
                loom::thread_local! { pub(crate) static $name: $type = $value }
            };
        }

        macro_rules! array_of {
            ($value:expr; $number:expr) => {
                std::array::from_fn(|_| $value)
            };
        }

        macro_rules! const_fn {
            ($function:item) => {
                $function
            };
        }

        pub(crate) use {array_of, const_fn, local, shared};
    }

    pub(crate) mod membarrier {
        pub(crate) fn is_supported() -> bool {
            false
        }

        pub(crate) fn issue() -> bool {
            true
        }
    }

    #[path = "pin.rs"]
    pub(crate) mod pin;
    #[path = "thread.rs"]
    pub(crate) mod thread;

    pub(crate) use pin::{Pin, Retired, pin};

    /// Gives this thread's slab back.
    pub(crate) fn give_back() {
        thread::LEASE.with(|lease| drop(lease.take()));
    }

    /// Leaves no slab for the threads that come.
    pub(crate) fn exhaust() {
        while thread::acquire().is_some() {}
    }

    /// What all threads have counted.
    pub(crate) fn total() -> u64 {
        let words = thread::all().filter_map(|slab| slab.cell(0));
        words.map(|cell| cell.load(std::sync::atomic::Ordering::Relaxed)).sum()
    }

    /// Counts one, as `Words::add` does.
    pub(crate) fn count() {
        use std::sync::atomic::Ordering::Relaxed;

        let cell = thread::current_or_acquire().and_then(|slab| slab.cell_or_create(0));
        if let Some(cell) = cell {
            cell.store(cell.load(Relaxed) + 1, Relaxed);
        }
    }
}

#[path = "../src/family"]
mod family {
    /// Stands in for a series: found by its number.
    #[derive(Debug)]
    pub(crate) struct Series<C>(pub(crate) u64, pub(crate) C);

    impl<C> Series<C> {
        pub(crate) fn labels(&self) -> &Self {
            self
        }

        pub(crate) fn hash(&self) -> u64 {
            self.0
        }
    }

    #[path = "table.rs"]
    pub(crate) mod table;
}

use family::Series;
use family::table::Table;
use storage::pin;

/// Written when it is freed, so that loom sees who reads it at that moment.
#[derive(Debug)]
struct Core(UnsafeCell<bool>);

// SAFETY: it is shared to find out whether that goes wrong, which loom checks.
unsafe impl Sync for Core {}

impl Core {
    fn is_alive(&self) -> bool {
        // SAFETY: loom checks that nobody writes meanwhile.
        self.0.with(|alive| unsafe { *alive })
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: loom checks that nobody reads meanwhile.
        self.0.with_mut(|alive| unsafe { *alive = false });
    }
}

/// A thread that gives its slab back before it is joined: loom's `join` does not wait for the destructors
/// of thread-locals, and the statics that they use may be gone.
fn spawn<T: 'static>(run: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    thread::spawn(|| {
        let result = run();
        storage::give_back();
        result
    })
}

fn series(number: u64) -> Arc<Series<Core>> {
    Arc::new(Series(number, Core(UnsafeCell::new(true))))
}

/// Every order of up to so many changes of the thread that runs.
fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

fn find(table: &Table<Core>, number: u64) -> Option<bool> {
    let pin = pin();
    let found = table.find(number, |series| series.0 == number, &pin);
    found.map(|series| series.1.is_alive())
}

#[test]
fn found_series_is_freed_only_after_pin() {
    model(3, || {
        let table = Arc::new(Table::new());
        let all = [series(1)];
        table.add(&all);
        let reader = spawn({
            let table = table.clone();
            move || find(&table, 1)
        });
        let mut retired = table.replace(&[], Vec::from(all));
        while !retired.is_reclaimable() {
            thread::yield_now();
        }
        drop(retired);
        assert_ne!(reader.join().ok(), Some(Some(false)), "it was freed");
    });
}

#[test]
fn found_series_without_slab_is_freed_only_after_pin() {
    model(3, || {
        storage::exhaust();
        let table = Arc::new(Table::new());
        let all = [series(1)];
        table.add(&all);
        let reader = thread::spawn({
            let table = table.clone();
            move || find(&table, 1)
        });
        let mut retired = table.replace(&[], Vec::from(all));
        while !retired.is_reclaimable() {
            thread::yield_now();
        }
        drop(retired);
        assert_ne!(reader.join().ok(), Some(Some(false)), "it was freed");
    });
}

#[test]
fn nested_pins_hold_until_last_is_dropped() {
    model(3, || {
        let table = Arc::new(Table::new());
        let all = [series(1)];
        table.add(&all);
        let reader = spawn({
            let table = table.clone();
            move || {
                drop(pin());
                let outer = pin();
                let found = table.find(1, |_| true, &outer);
                drop(pin());
                found.is_none_or(|series| series.1.is_alive())
            }
        });
        let mut retired = table.replace(&[], Vec::from(all));
        while !retired.is_reclaimable() {
            thread::yield_now();
        }
        drop(retired);
        assert_eq!(reader.join().ok(), Some(true));
    });
}

#[test]
fn growing_table_keeps_all_series() {
    model(3, || {
        let table = Arc::new(Table::new());
        let mut all = vec![series(1)];
        table.add(&all);
        let reader = spawn({
            let table = table.clone();
            move || (find(&table, 1), find(&table, 9))
        });
        // It falls into the same slot as the first.
        all.push(series(9));
        assert!(table.add(&all).is_none());
        let mut outgrown = table.replace(&all, Vec::new());
        while !outgrown.is_reclaimable() {
            thread::yield_now();
        }
        drop(outgrown);
        let found = reader.join().ok();
        assert!(matches!(found, Some((Some(true), None | Some(true)))), "{found:?}");
        let later = spawn(move || find(&table, 9));
        assert_eq!(later.join().ok(), Some(Some(true)));
    });
}

#[test]
fn slab_handed_to_other_thread_keeps_counts() {
    model(3, || {
        let first = spawn(storage::count);
        let second = spawn(|| {
            storage::count();
            storage::count();
        });
        let seen = storage::total();
        let _ = first.join();
        let third = spawn(storage::count);
        let later = storage::total();
        assert!(seen <= later, "a total never shrinks");
        let _ = (second.join(), third.join());
        assert_eq!(storage::total(), 4);
    });
}
