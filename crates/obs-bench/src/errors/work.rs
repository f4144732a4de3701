//! What contenders do alike: a line, and a failure deep in a stack.

use std::fmt;

use tracing::{Subscriber, error, info};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::measure::{cpu_time, nanoseconds};

/// Calls between `main` and an axum handler behind a few layers, by tokio's and hyper's ways.
const FRAMES: u32 = 40;

fn user_created() {
    info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created");
}

/// What a layer adds to a line: the line with it without the line of a registry alone.
pub(super) fn added(subscriber: impl Subscriber + Send + Sync) -> f64 {
    let bare = tracing_subscriber::registry().with(LevelFilter::INFO);
    let bare = tracing::subscriber::with_default(bare, || nanoseconds(user_created));
    tracing::subscriber::with_default(subscriber, || nanoseconds(user_created)) - bare
}

pub(super) fn failed_line() {
    error!(error = &Refused as &dyn std::error::Error, order_id = 42_u64, "no payment");
}

/// Nanoseconds of one failure of a request that has logged three lines, as deep in a stack as a handler
/// is: the least of many bursts, each of as many as the queue takes.
pub(super) fn failures(fail: impl Fn(), flush: impl Fn()) -> f64 {
    const BURST: u32 = 50;
    const BURSTS: usize = 60;
    (0..3).for_each(|_| user_created());
    // Symbols are read once.
    fail();
    flush();
    let bursts = (0..BURSTS).map(|_| {
        let took = below(FRAMES, &|| {
            let begun = cpu_time();
            (0..BURST).for_each(|_| fail());
            cpu_time().saturating_sub(begun)
        });
        flush();
        took.as_nanos() as f64 / f64::from(BURST)
    });
    bursts.fold(f64::INFINITY, f64::min)
}

/// Runs `work` so many calls further down.
#[inline(never)]
fn below<T>(frames: u32, work: &dyn Fn() -> T) -> T {
    match frames {
        0 => work(),
        _ => std::hint::black_box(below(std::hint::black_box(frames - 1), work)),
    }
}

pub(super) fn with<T>(subscriber: impl Subscriber + Send + Sync, work: impl FnOnce() -> T) -> T {
    tracing::subscriber::set_global_default(subscriber)
        .expect("each contender has its own process");
    work()
}

/// An error with a cause.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card was refused")
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&fmt::Error)
    }
}
