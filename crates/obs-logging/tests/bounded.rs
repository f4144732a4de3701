//! Values are bounded while they are written: a huge one costs no more memory than its limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unsafe_code, reason = "an allocator that counts")]
#![cfg(all(feature = "valuable", feature = "kv"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use obs_logging::{Builder, Delivery, Format, Output, valuable};
use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system's; only a thread-local without destructor is counted up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HUGE: usize = 16 * 1024 * 1024;

/// All bytes ever asked for; buffers that double ask for twice their size.
const MAX_ALLOCATED: usize = 4 * 1024 * 1024;

#[test]
fn huge_value_allocates_within_limit() {
    let _first = obs_logging::bridge::install();
    let (layer, _logging) = Builder::new()
        .format(Format::Json)
        .redact(["password"])
        .delivery(Delivery::Blocking)
        .output(Output::writer(std::io::sink()))
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let text = "x".repeat(HUGE);
    let path = PathBuf::from(&text);
    let list = vec![7_u64; HUGE / 8];
    let map = BTreeMap::from([(text.clone(), 1)]);
    let bytes = vec![1_u8; HUGE];
    let many: Vec<(String, String)> =
        (0..1000).map(|n| (format!("k{n}"), "x".repeat(60_000))).collect();
    let many = &many.as_slice();
    let cases: [(&str, &dyn Fn()); 12] = [
        ("log key-values", &|| {
            let record = log::Record::builder().level(log::Level::Info).key_values(many).build();
            log::logger().log(&record);
        }),
        ("log text", &|| log::info!(text = text.as_str(); "event")),
        ("log display", &|| log::info!(text:% = text; "event")),
        ("log debug", &|| log::info!(text:? = text; "event")),
        ("log list", &|| log::info!(list:serde = list; "event")),
        ("log bytes", &|| log::info!(bytes:serde = bytes; "event")),
        ("log map key", &|| log::info!(map:serde = map; "event")),
        ("valuable text", &|| info!(text = ?valuable(&text), "event")),
        ("valuable path", &|| info!(path = ?valuable(&path), "event")),
        ("valuable list", &|| info!(list = ?valuable(&list), "event")),
        ("valuable map key", &|| info!(map = ?valuable(&map), "event")),
        ("valuable in a text", &|| info!(some = ?Some(valuable(&map)), "{:?}", valuable(&list))),
    ];
    tracing::dispatcher::with_default(&dispatch, || {
        info!(first = ?valuable(&1), "buffers grow");
        for (name, log) in cases {
            let before = ALLOCATED.get();
            log();
            let allocated = ALLOCATED.get() - before;
            assert!(allocated < MAX_ALLOCATED, "{name}: {allocated} bytes");
        }
    });
}
