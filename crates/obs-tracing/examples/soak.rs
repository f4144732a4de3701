//! Threads that come and go make spans at full speed, while the collector fails now and then:
//! `cargo run --release -p obs-tracing --example soak -- 600`. Ends with the sums, or with a panic where a
//! span is in none of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a test that takes as long as it is told"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use obs_tracing::{Builder, Sampler, Tail};
use tracing::{Span, error, info_span};
use tracing_subscriber::prelude::*;

static STARTED: AtomicU64 = AtomicU64::new(0);

fn span(number: u64) -> Span {
    STARTED.fetch_add(1, Relaxed);
    info_span!("work", number, text = "some words")
}

fn trace(number: u64) -> Option<Span> {
    let root = span(number);
    let _root = root.enter();
    let child = span(number);
    child.in_scope(|| {
        if number.is_multiple_of(1000) {
            error!("one in a thousand");
        }
        span(number).in_scope(|| {});
    });
    let detached = span(number);
    number.is_multiple_of(7).then_some(detached)
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let received = Arc::new(AtomicU64::new(0));
    let (counting, mut requests) = (Arc::clone(&received), 0_u64);
    let (layer, traces) = Builder::new("soak")
        .sampler(Sampler::ratio(0.5))
        .tail(Tail::errors().memory(1024 * 1024))
        .queue_size(4096)
        .export_with(move |_, spans| {
            requests += 1;
            if requests.is_multiple_of(50) {
                return Err("now and then".to_owned());
            }
            counting.fetch_add(spans as u64, Relaxed);
            Ok(())
        })
        .build()
        .unwrap();
    tracing_subscriber::registry().with(layer).init();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut threads = 0_u64;
    while Instant::now() < end {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (send, others) = std::sync::mpsc::channel::<Span>();
                scope.spawn(move || {
                    for number in 0..20_000 {
                        trace(number * 4 + thread).map(|span| send.send(span));
                    }
                });
                scope.spawn(move || others.iter().for_each(|span| span.in_scope(|| {})));
            }
        });
        threads += 8;
        let counts = traces.counts();
        assert!(
            counts.exported + counts.dropped + counts.sampled_out <= counts.started,
            "{counts:?}"
        );
    }
    let delivery = traces.shutdown(Duration::from_secs(30));
    let counts = traces.counts();
    println!("{threads} threads, {counts:?}, {delivery:?}");
    assert!(delivery.complete);
    assert_eq!(counts.started, STARTED.load(Relaxed));
    assert_eq!(counts.started, counts.exported + counts.dropped + counts.sampled_out);
    assert_eq!(counts.exported, received.load(Relaxed));
}
