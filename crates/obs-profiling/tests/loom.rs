//! Where signal handlers and the profiler's thread meet, run in every order that matters: the sources of the
//! ring and the gate, with loom's atomics in place of the real ones.
#![allow(dead_code, reason = "the model uses a part of these sources")]
#![allow(unsafe_code, clippy::unwrap_used, reason = "the sources are made for another crate")]

use inside::gate::Gate;
use inside::ring::Ring;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

#[path = "../src/inside"]
mod inside {
    pub(crate) mod sync {
        pub(crate) use loom::cell::UnsafeCell;
        pub(crate) use loom::sync::Arc;
        pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

        pub(crate) fn pause() {
            loom::thread::yield_now();
        }

        macro_rules! constant {
            ($visibility:vis fn $($rest:tt)*) => { $visibility fn $($rest)* };
        }

        pub(crate) use constant;
    }

    #[path = "gate.rs"]
    pub(crate) mod gate;
    #[path = "ring.rs"]
    pub(crate) mod ring;
}

#[test]
fn ring_delivers_whole_values_or_counts_rejected() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1, || (0, 0)));
        let handlers = [1, 2].map(|number| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.put(|value| *value = (number, number)))
        });
        let mut taken = Vec::new();
        ring.drain(|value| taken.push(*value));
        let put = handlers.map(|handler| handler.join().unwrap());
        ring.drain(|value| taken.push(*value));
        assert!(taken.iter().all(|(one, other)| one == other && *one > 0), "{taken:?}");
        assert_eq!(taken.len(), put.iter().filter(|put| **put).count());
        assert_eq!(taken.len() as u64 + ring.refused(), 2);
    });
}

#[test]
fn two_readers_drain_each_value_once() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2, || 0));
        assert!(ring.put(|value| *value = 1) && ring.put(|value| *value = 2));
        let drain = |ring: &Ring<u32>| {
            let mut taken = Vec::new();
            ring.drain(|value| taken.push(*value));
            taken
        };
        let other = thread::spawn({
            let ring = Arc::clone(&ring);
            move || drain(&ring)
        });
        let mut taken = drain(&ring);
        taken.extend(other.join().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

/// Written when it is freed, so that loom sees who reads it at that moment.
struct Watched(UnsafeCell<u32>);

impl Watched {
    fn read(&self) -> u32 {
        // SAFETY: loom checks that nobody writes meanwhile.
        self.0.with(|value| unsafe { *value })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: loom checks that nobody reads meanwhile.
        self.0.with_mut(|value| unsafe { *value = 0 });
    }
}

// SAFETY: it is shared to find out whether that goes wrong, which loom checks.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

#[test]
fn value_of_closed_gate_is_not_used() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let gate = Arc::new(Gate::new());
        gate.open(Arc::new(Watched(UnsafeCell::new(7))));
        let handler = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.enter(|value| assert_eq!(value.read(), 7)))
        };
        gate.close();
        handler.join().unwrap();
    });
}
