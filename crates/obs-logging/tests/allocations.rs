//! A line allocates nothing, once the buffers have grown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

const LONG: Duration = Duration::from_secs(60);

/// Throws lines away, and does not come back from a write while it is shut.
#[derive(Clone, Default)]
struct Gate {
    is_shut: Arc<AtomicBool>,
    is_inside: Arc<AtomicBool>,
}

impl Gate {
    fn shut(&self) {
        self.is_inside.store(false, Ordering::SeqCst);
        self.is_shut.store(true, Ordering::SeqCst);
    }

    fn await_writer(&self) {
        while !self.is_inside.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_inside.store(true, Ordering::SeqCst);
        while self.is_shut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn event_allocates_nothing() {
    let queued = Delivery::NonBlocking { buffer_bytes: 1 << 20, when_full: WhenFull::Block };
    for delivery in [Delivery::Blocking, queued] {
        let gate = Gate::default();
        let (layer, logging) = Builder::new()
            .format(Format::Json)
            .output(Output::writer(gate.clone()))
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
            // Both buffers of the queue must once have held all lines, however late the writer comes
            // for them: one line keeps it busy meanwhile, another makes the buffers change places.
            for _ in 0..4 {
                if matches!(delivery, Delivery::NonBlocking { .. }) {
                    gate.shut();
                    info!("for the writer");
                    gate.await_writer();
                }
                log();
                gate.open();
                assert!(logging.flush(LONG).complete);
                info!("changes places");
                assert!(logging.flush(LONG).complete);
            }
            let before = ALLOCATIONS.get();
            log();
            assert_eq!(ALLOCATIONS.get() - before, 0);
        });
    }
}

/// A span, and a line in it, inside of a request.
#[test]
fn span_of_request_allocates_nothing() {
    let (layer, _logging) = Builder::new()
        .format(Format::Json)
        .output(Output::writer(io::sink()))
        .delivery(Delivery::Blocking)
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        let context = Context::new();
        context.bind("request_id", "r-1");
        let _entered = context.enter();
        let work = || {
            let outer = info_span!("outer", order = 7).entered();
            info_span!("inner", item = "x").in_scope(|| info!("inside"));
            drop(outer);
        };
        (0..100).for_each(|_| work());
        let before = ALLOCATIONS.get();
        (0..100).for_each(|_| work());
        assert_eq!(ALLOCATIONS.get() - before, 0);
    });
}

#[cfg(feature = "http")]
#[test]
fn request_context_and_header_rarely_allocate() {
    use obs_http::{Exchange, Observe};

    let observer = obs_logging::http::RequestContext::new();
    let (mut request, ()) = http::Request::get("/orders/7").body(()).unwrap().into_parts();
    let (mut response, ()) = http::Response::new(()).into_parts();
    let mut work = || {
        let mut exchange = observer.begin(&mut request, None);
        drop(exchange.enter());
        exchange.response(&mut response);
    };
    (0..100).for_each(|_| work());
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| work());
    let shared = ALLOCATIONS.get() - before;
    assert!(shared <= 4, "{shared} allocations of 100 requests");
}
