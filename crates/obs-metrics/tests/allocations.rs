//! What allocates: nothing on the way of a request, and a scrape no more for more series.
#![cfg(feature = "http")]
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may say that something cannot fail")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use obs_context::{Sample, SampleKind, Source};
use obs_metrics::{Buckets, Endpoint, Registry};

struct ServerRequest;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for ServerRequest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: ServerRequest = ServerRequest;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn counting_and_lookup_allocate_nothing() {
    let registry = Registry::new();
    let counters = registry.counter_vec("a_total", "A.", ["x", "y"]).unwrap();
    let histograms = registry.histogram_vec("b_seconds", "B.", ["x"], Buckets::default()).unwrap();
    let gauge = registry.gauge("c", "C.").unwrap();
    let work = || {
        counters.with(["a", "a long value of a label"]).inc();
        histograms.with(["a"]).observe(0.3);
        drop(gauge.track());
    };
    work();
    assert_eq!(allocations(|| (0..100).for_each(|_| work())), 0);
}

struct Numbers;

impl Source for Numbers {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        for (kind, value) in [("sent", 3.0), ("lost", 1.0)] {
            let labels = &[("kind", kind)];
            let (name, help) = ("parcels_total", "Parcels.");
            sink(Sample { name, help, kind: SampleKind::Counter, labels, value });
        }
    }
}

#[test]
fn scrape_of_any_size_allocates_at_most_five_times() {
    for (series, accept) in [
        (10, "text/plain"),
        (10_000, "text/plain"),
        (10_000, "application/openmetrics-text; version=1.0.0"),
    ] {
        let registry = Registry::new();
        let counters = registry.counter_vec("a_total", "A.", ["x"]).unwrap().limit_series(100_000);
        let waits = registry.histogram_vec("b_seconds", "B.", ["x"], Buckets::default()).unwrap();
        for number in 0..series {
            counters.with([&number.to_string()]).inc();
            waits.with([&(number % 1000).to_string()]).observe(0.1);
        }
        registry.mount(Arc::new(Numbers));
        // Where there is no /proc the rest is still worth asserting.
        let _ = obs_metrics::collect::process(&registry);
        let endpoint = Endpoint::new(registry);
        let request = http::Request::get("/metrics").header("accept", accept).body(());
        let (request, ()) = request.unwrap().into_parts();
        (0..4).for_each(|_| drop(endpoint.respond(&request)));
        let count = allocations(|| drop(endpoint.respond(&request)));
        assert!(count <= 5, "{count} allocations for {series} series as {accept}");
    }
}

#[test]
fn series_takes_few_bytes() {
    let registry = Registry::new();
    let family = registry.counter_vec("a_total", "A.", ["path"]).unwrap().limit_series(20_000);
    let values: Vec<String> = (0..16_384).map(|number| format!("/path/{number}")).collect();
    let before = BYTES.get();
    values.iter().for_each(|value| family.with([value]).inc());
    let each = BYTES.get().wrapping_sub(before) / values.len();
    assert!(each < 208, "{each} bytes a series");
}
