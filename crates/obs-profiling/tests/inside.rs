//! CPU profiles that a process takes of itself.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod work;

use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use obs_context::{ActiveSpan, Route, SpanId, TraceId, set_active_span};
use obs_profiling::{CpuProfiler, Format, Profile, Recording, SampleFilter};
use work::Burner;

/// A process has one profiler.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recording(rate: u32, milliseconds: u64) -> Recording {
    Recording { rate, duration: Duration::from_millis(milliseconds) }
}

/// Of as many samples at least, however busy the machine is.
fn profile(samples: u32) -> Profile {
    let before = sample_value("obs_profile_samples_total");
    let profiler = CpuProfiler::start(recording(250, 300_000)).unwrap();
    while sample_value("obs_profile_samples_total") - before < f64::from(samples) {
        std::thread::sleep(Duration::from_millis(20));
    }
    profiler.finish().unwrap()
}

/// What the profiler tells about itself.
fn sample_value(name: &str) -> f64 {
    let mut found = None;
    obs_profiling::source().collect(&mut |sample| {
        if sample.name == name {
            found = Some(sample.value);
        }
    });
    found.unwrap()
}

fn span(number: u64, name: &'static str, route: &str, sampled: bool) -> Option<ActiveSpan> {
    Some(ActiveSpan {
        trace_id: TraceId::new(u128::from(number)),
        span_id: SpanId::new(number),
        sampled,
        name,
        route: Some(Route::intern(route)),
    })
}

/// Works for two orders as long as for one payment.
fn serves() {
    set_active_span(span(1, "orders", "/orders/{id}", true));
    work::two_parts();
    set_active_span(span(2, "payments", "/payments", false));
    work::one_part();
    set_active_span(None);
}

#[test]
fn profile_has_shares_by_span_and_route() {
    let _alone = alone();
    let burner = Burner::start("server", serves);
    let profile = profile(600);
    drop(burner);
    let total = |cut: &SampleFilter| profile.clone().filter(cut).total();
    let orders = total(&SampleFilter { span: Some("orders".into()), ..SampleFilter::default() });
    let payments =
        total(&SampleFilter { route: Some("/payments".into()), ..SampleFilter::default() });
    let part = orders as f64 / (orders + payments) as f64;
    assert!((part - 2.0 / 3.0).abs() < 0.1, "{part} of {}", orders + payments);

    let cut = profile
        .clone()
        .filter(&SampleFilter { route: Some("/payments".into()), ..SampleFilter::default() });
    let at_work = |name: &str| {
        let functions = cut.functions();
        functions.iter().filter(|(known, ..)| known.contains(name)).map(|found| found.2).max()
    };
    assert_eq!(at_work("two_parts"), None);
    let at_payments = at_work("one_part").unwrap_or(0);
    assert!(at_payments > payments * 9 / 10, "{at_payments} of {payments}");
    // Its trace is not kept: nobody could look the ids up.
    assert!(cut.samples.iter().all(|sample| sample.labels.trace_id.is_none()));
    assert_eq!(
        total(&SampleFilter { trace_id: Some(TraceId::new(1)), ..SampleFilter::default() }),
        orders
    );
    assert_eq!(
        total(&SampleFilter { trace_id: Some(TraceId::new(2)), ..SampleFilter::default() }),
        0
    );
    assert!(profile.samples.iter().any(|sample| sample.thread == "server"));
}

#[test]
fn stacks_are_whole_without_handler_frames() {
    let _alone = alone();
    let burner = Burner::start("burner", || {
        work::two_parts();
        work::one_part();
    });
    let profile = profile(600);
    drop(burner);
    assert!(profile.lost * 10 < profile.total(), "{} lost", profile.lost);
    assert_eq!(profile.unsampled, 0);
    assert!(profile.truncated() * 50 < profile.total(), "{}", profile.truncated());
    let functions = profile.functions();
    let share = |name: &str| {
        let found = functions.iter().filter(|(function, ..)| function.contains(name));
        found.map(|(.., at_work)| *at_work).max().unwrap_or(0) as f64
    };
    let (two, one) = (share("two_parts"), share("one_part"));
    let part = two / (two + one);
    assert!((part - 2.0 / 3.0).abs() < 0.1, "{functions:?}");
    assert_eq!(share("on_signal"), 0.0);
}

#[test]
fn cpu_time_of_short_lived_threads_is_counted() {
    let _alone = alone();
    let before = cpu_time();
    let profiler = CpuProfiler::start(recording(250, 60_000)).unwrap();
    for _ in 0..100 {
        std::thread::spawn(|| (0..20).for_each(|_| _ = work::one_part())).join().unwrap();
    }
    let used = cpu_time() - before;
    let profile = profiler.finish().unwrap();
    let seen = profile.period * u32::try_from(profile.total()).unwrap();
    let share = seen.as_secs_f64() / used.as_secs_f64();
    assert!((0.3..1.7).contains(&share), "{seen:?} of {used:?}");
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[allow(unsafe_code, reason = "the clock has no safe face")]
    // SAFETY: it fills the structure.
    unsafe {
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time);
    }
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn second_profiler_is_rejected_with_time_left() {
    let _alone = alone();
    let first = CpuProfiler::start(recording(100, 30_000)).unwrap();
    let second = CpuProfiler::start(recording(100, 1_000)).unwrap_err();
    assert!(second.is_under_way(), "{second}");
    let left = second.time_left().unwrap();
    assert!(left <= Duration::from_secs(30), "{left:?}");
    assert!(second.to_string().contains("try again in"), "{second}");
    first.finish().unwrap();
    CpuProfiler::start(recording(100, 1)).unwrap().wait().unwrap();
}

#[test]
fn rate_beyond_timers_is_rejected() {
    for rate in [0, 251] {
        let error = CpuProfiler::start(recording(rate, 1)).unwrap_err().to_string();
        assert!(error.contains("give 1 to 250"), "{error}");
    }
}

#[test]
fn profiler_is_awaited_without_runtime() {
    let _alone = alone();
    let burner = Burner::start("burner", || _ = work::two_parts());
    let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let awaited = || {
        let mut profiler = Box::pin(CpuProfiler::start(recording(250, 1_000)).unwrap());
        loop {
            match profiler.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(profile) => break profile.unwrap(),
                Poll::Pending => std::thread::park(),
            }
        }
    };
    // On a busy machine, a second may pass without a sample.
    let total = (0..30).map(|_| awaited().total()).find(|total| *total > 0);
    drop(burner);
    assert!(total.is_some());
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn dropped_profiler_ends() {
    let _alone = alone();
    drop(CpuProfiler::start(recording(100, 3_600_000)).unwrap());
    let begun = Instant::now();
    let next = std::iter::repeat_with(|| CpuProfiler::start(recording(100, 1)))
        .find(|started| started.is_ok() || begun.elapsed() > Duration::from_secs(20));
    next.unwrap().unwrap().wait().unwrap();
}

#[test]
fn late_signal_is_ignored() {
    let _alone = alone();
    CpuProfiler::start(recording(100, 1)).unwrap().wait().unwrap();
    #[allow(unsafe_code, reason = "a signal to ourselves")]
    // SAFETY: it has a handler.
    unsafe {
        assert_eq!(libc::raise(libc::SIGPROF), 0);
    }
}

#[test]
fn pprof_has_labels() {
    let _alone = alone();
    let burner = Burner::start("server", serves);
    let profile = profile(100);
    drop(burner);
    let mut pprof = Vec::new();
    profile.write(Format::Pprof, &mut pprof).unwrap();
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(&pprof[..]).read_to_end(&mut message).unwrap();
    let text = String::from_utf8_lossy(&message);
    for label in ["trace_id", "span_id", "span_name", "route", "/orders/{id}"] {
        assert!(text.contains(label), "{label} is missing");
    }
    assert!(text.contains(&TraceId::new(1).to_string()));
    assert!(!text.contains(&TraceId::new(2).to_string()));

    let Some(go) = work::go() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cpu.pb.gz");
    std::fs::write(&file, &pprof).unwrap();
    let top = std::process::Command::new(go)
        .args(["tool", "pprof", "-top", "-cum", "-tagfocus=route=/payments"])
        .arg(&file)
        .output()
        .unwrap();
    let top = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.contains("one_part") && !top.contains("two_parts"), "{top}");
}

#[test]
fn profiler_exposes_own_metrics() {
    let _alone = alone();
    let burner = Burner::start("burner", || _ = work::two_parts());
    let before = sample_value("obs_profile_samples_total");
    let profile = profile(20);
    drop(burner);
    let taken = sample_value("obs_profile_samples_total") - before;
    assert!(taken > 10.0 && taken <= profile.total() as f64, "{taken} of {}", profile.total());
    assert!(sample_value("obs_profile_handler_seconds_total") > 0.0);
    assert_eq!(sample_value("obs_profile_timers"), 0.0);
}
