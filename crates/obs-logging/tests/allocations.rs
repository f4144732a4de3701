//! A line allocates nothing, once the buffers have grown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;

use obs_logging::{Builder, Context, Delivery, Format, Output, WhenFull};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system's; only a thread-local without destructor is counted up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_event_allocates_nothing() {
    let queued = Delivery::NonBlocking { buffer_bytes: 1 << 20, when_full: WhenFull::Block };
    for delivery in [Delivery::Blocking, queued] {
        let (layer, logging) = Builder::new()
            .format(Format::Json)
            .output(Output::writer(io::sink()))
            .delivery(delivery)
            .build()
            .unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        tracing::dispatcher::with_default(&dispatch, || {
            let context = Context::new();
            context.bind("request_id", "r-1");
            let _entered = context.enter();
            let _outer = info_span!("outer", order = 7).entered();
            let _inner = info_span!("inner", item = "x").entered();
            let log = || {
                for number in 0..100_u64 {
                    info!(number, ratio = 0.5, name = "Alice", debug = ?number, "event {number}");
                }
            };
            // Buffers of both sides of the queue grow until they are as long as a batch.
            for _ in 0..20 {
                log();
                logging.flush(std::time::Duration::from_secs(20));
            }
            let before = ALLOCATIONS.get();
            log();
            assert_eq!(ALLOCATIONS.get() - before, 0);
        });
    }
}
