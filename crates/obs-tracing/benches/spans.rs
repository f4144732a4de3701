//! What a span costs the thread that makes it, in CPU time: 4 spans deep, 2 attributes and 1 event a
//! span. The export thread encodes, and its requests go nowhere.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(unsafe_code, reason = "a thread's CPU time is the kernel's to tell")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use obs_tracing::{Builder, Sampler, TraceLayer, Traces};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::prelude::*;

const DEPTH: u64 = 4;
/// Traces made at once, before the export thread gets its turn: 400 spans.
const BURST: u64 = 100;

fn trace() {
    fn level(left: u64) {
        if left == 0 {
            return;
        }
        info_span!("work", order.id = black_box(left), order.status = "pending").in_scope(|| {
            info!(step = left, "half way");
            level(left - 1);
        });
    }
    level(DEPTH);
}

fn pipeline(sampler: Sampler) -> (TraceLayer, Traces) {
    let builder = Builder::new("bench").sampler(sampler).export_with(|bytes, spans| {
        black_box((bytes, spans));
        Ok(())
    });
    match builder.build() {
        Ok(built) => built,
        Err(error) => unreachable!("{error}"),
    }
}

/// CPU time so far, of this thread or of all of the process: other processes do not count.
fn cpu_time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which is there.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn producer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("span");
    group.throughput(Throughput::Elements(DEPTH));
    let mut measure = |name: &str, dispatch: Dispatch, traces: Option<&Traces>| {
        group.bench_function(name, |bencher| {
            tracing::dispatcher::with_default(&dispatch, || {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    let mut left = iterations;
                    while left > 0 {
                        let now = left.min(BURST);
                        let before = cpu_time(libc::CLOCK_THREAD_CPUTIME_ID);
                        (0..now).for_each(|_| trace());
                        spent += cpu_time(libc::CLOCK_THREAD_CPUTIME_ID) - before;
                        left -= now;
                        if let Some(traces) = traces {
                            assert!(traces.flush(Duration::from_secs(10)).complete);
                        }
                    }
                    spent
                });
            });
        });
    };
    measure("registry alone", Dispatch::new(tracing_subscriber::registry()), None);
    let (layer, unsampled) = pipeline(Sampler::never());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    measure("unsampled", dispatch, Some(&unsampled));
    let (layer, sampled) = pipeline(Sampler::always());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    measure("sampled", dispatch, Some(&sampled));
    group.finish();
    assert_eq!(unsampled.counts().exported, 0);
    let counts = sampled.counts();
    assert_eq!(counts.dropped, 0, "{counts:?}");
}

/// The whole process: spans made, encoded, and their records back in the pool.
fn process(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("process");
    group.throughput(Throughput::Elements(DEPTH * BURST));
    let (layer, traces) = pipeline(Sampler::always());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    group.bench_function("sampled and encoded", |bencher| {
        tracing::dispatcher::with_default(&dispatch, || {
            bencher.iter_custom(|iterations| {
                let before = cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID);
                for _ in 0..iterations {
                    (0..BURST).for_each(|_| trace());
                    assert!(traces.flush(Duration::from_secs(10)).complete);
                }
                cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID) - before
            });
        });
    });
    group.finish();
}

criterion_group!(benches, producer, process);
criterion_main!(benches);
