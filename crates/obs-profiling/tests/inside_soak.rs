//! A process that profiles itself while threads come, go and allocate: five seconds, or `OBS_SOAK_SECONDS`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test is a panic")]

mod work;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use obs_context::{ActiveSpan, Route, SpanId, TraceId, set_active_span};
use obs_profiling::{CpuProfiler, Recording};
use work::Burner;

static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// Allocates, frees, nests, and starts threads that end at once.
fn churn() {
    let number = ROUNDS.fetch_add(1, Relaxed) + 1;
    set_active_span(Some(ActiveSpan {
        trace_id: TraceId::new(u128::from(number)),
        span_id: SpanId::new(number),
        sampled: number.is_multiple_of(2),
        name: "churn",
        route: Some(Route::intern("/churn")),
    }));
    let mut words: HashMap<String, Vec<u8>> = HashMap::new();
    for word in 0..200_u32 {
        words.entry(format!("{}", word % 50)).or_default().extend(vec![1; word as usize]);
    }
    black_box(&words);
    black_box(nested(number % 100));
    if number.is_multiple_of(16) {
        let threads = (0..4).map(|_| std::thread::spawn(|| black_box(vec![0_u64; 5_000]).len()));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 5_000));
    }
    set_active_span(None);
}

#[inline(never)]
fn nested(depth: u64) -> u64 {
    let padding = black_box([depth; 8]);
    if depth == 0 { padding[0] } else { nested(depth - 1) + black_box(padding)[1] }
}

#[test]
fn soak_progresses_and_loses_few_samples() {
    let seconds = std::env::var("OBS_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(5));
    let burners: Vec<_> = (0..4).map(|_| Burner::start("churner", churn)).collect();
    let mut churned = false;
    let (mut profiles, mut samples, mut lost, mut truncated) = (0, 0, 0, 0);
    while Instant::now() < end {
        let before = ROUNDS.load(Relaxed);
        let duration = Duration::from_secs(2);
        let profile =
            CpuProfiler::start(Recording { rate: 250, duration }).unwrap().wait().unwrap();
        assert!(ROUNDS.load(Relaxed) > before, "the work stands still");
        churned |= profile.functions().iter().any(|(name, ..)| name.contains("churn"));
        profiles += 1;
        samples += profile.total();
        lost += profile.lost;
        truncated += profile.truncated();
    }
    drop(burners);
    assert!(churned);
    let mut told = HashMap::new();
    obs_profiling::source().collect(&mut |sample| {
        told.insert(sample.name, sample.value);
    });
    let mean = |name| told[name] / told["obs_profile_samples_total"] * 1e6;
    println!(
        "{profiles} profiles, {samples} samples, {lost} lost, {truncated} truncated, {} rounds; handler \
         {:.2} us, unwinding {:.2} us",
        ROUNDS.load(Relaxed),
        mean("obs_profile_handler_seconds_total"),
        mean("obs_profile_unwind_seconds_total"),
    );
    // How far the reader gets behind is the machine's affair.
    assert!(samples > 0 && lost * 10 < samples, "{lost} of {samples}");
}
