//! Where threads meet over an open span, run in every order that matters: the source of its place, with
//! loom's atomics in place of the real ones.
#![allow(dead_code, reason = "the model uses a part of the source")]
#![allow(unreachable_pub, reason = "the source is made for another crate")]

use std::sync::Arc;

use loom::model::Builder;
use loom::thread;

#[path = "../src/open"]
mod open {
    mod sync {
        pub(super) use loom::cell::UnsafeCell;
        pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64};
    }

    mod wait {
        #[derive(Default)]
        pub(super) struct Backoff(u32);

        impl Backoff {
            pub(super) fn step(&mut self) {
                self.0 += 1;
                loom::thread::yield_now();
            }
        }
    }

    #[path = "block.rs"]
    mod block;

    pub(super) use block::Block;

    /// A block with places for two spans.
    pub(super) struct Open(std::sync::Arc<Block<u64>>);

    impl Open {
        pub(super) fn new() -> Self {
            Self(std::sync::Arc::new(Block::new(2)))
        }

        /// Claims the block, and puts the item in where both are possible.
        pub(super) fn insert(&self, id: u64, item: u64) -> bool {
            self.0.writer().is_some_and(|mut claim| claim.insert(id, item).is_ok())
        }

        pub(super) fn change(&self, id: u64) -> bool {
            self.0.lock(id).and_then(|mut guard| guard.with(|item| *item += 1)).is_some()
        }

        pub(super) fn take(&self, id: u64) -> Option<u64> {
            self.0.lock(id).and_then(block::SlotGuard::take)
        }

        pub(super) fn count(&self) -> usize {
            let mut count = 0;
            self.0.for_each(|_| count += 1);
            count
        }
    }
}

use open::Open;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

#[test]
fn span_closed_by_two_threads_closes_once() {
    model(|| {
        let open = Arc::new(Open::new());
        assert!(open.insert(1, 10));
        let other = Arc::clone(&open);
        let there = thread::spawn(move || other.take(1));
        let here = open.take(1);
        let there = there.join().unwrap_or_default();
        assert_eq!(u8::from(here.is_some()) + u8::from(there.is_some()), 1);
        assert_eq!(here.or(there), Some(10));
        assert_eq!(open.take(1), None);
    });
}

#[test]
fn record_during_close_happens_before_or_not_at_all() {
    model(|| {
        let open = Arc::new(Open::new());
        assert!(open.insert(1, 10));
        let other = Arc::clone(&open);
        let saying = thread::spawn(move || other.change(1));
        let visit = open.count();
        let taken = open.take(1);
        let said = saying.join().unwrap_or_default();
        assert!(visit <= 1);
        assert_eq!(taken, Some(if said { 11 } else { 10 }));
    });
}

#[test]
fn slot_is_reused_during_reads() {
    model(|| {
        let open = Arc::new(Open::new());
        assert!(open.insert(1, 10));
        let other = Arc::clone(&open);
        let looking = thread::spawn(move || (other.take(1), other.take(3)));
        let put = open.insert(3, 30);
        let (first, second) = looking.join().unwrap_or_default();
        assert_eq!(first, Some(10));
        assert_eq!(second.or_else(|| open.take(3)), put.then_some(30));
    });
}

#[test]
fn block_has_one_writer_and_next_writer_sees_spans() {
    model(|| {
        let open = Arc::new(Open::new());
        let other = Arc::clone(&open);
        let there = thread::spawn(move || other.insert(1, 10));
        let here = open.insert(3, 30);
        let there = there.join().unwrap_or_default();
        // They share a place: at most one is in it, and whoever got it finds it again.
        assert!(here ^ there, "the first to claim puts, the other finds it claimed or taken");
        assert_eq!(open.take(1), there.then_some(10));
        assert_eq!(open.take(3), here.then_some(30));
    });
}
