//! The slot: what is set is read back, per thread, and a signal handler never sees a mixture.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use obs_context::{
    ActiveSpan, Route, SpanId, TraceId, active_span, active_span_is_sampled, set_active_span,
};

fn span(number: u64) -> ActiveSpan {
    ActiveSpan {
        trace_id: TraceId::new(u128::from(number) << 64 | u128::from(number)),
        span_id: SpanId::new(number),
        sampled: number % 2 == 1,
        name: if number % 2 == 1 { "odd" } else { "even, and longer" },
        route: Some(Route::intern(if number % 2 == 1 { "/odd" } else { "/even/{id}" })),
    }
}

#[test]
fn active_span_is_read_back() {
    assert_eq!(active_span(), None);
    set_active_span(Some(span(7)));
    assert_eq!(active_span(), Some(span(7)));
    set_active_span(Some(ActiveSpan { route: None, ..span(8) }));
    assert_eq!(active_span(), Some(ActiveSpan { route: None, ..span(8) }));
    set_active_span(None);
    assert_eq!(active_span(), None);
}

#[test]
fn sampled_flag_is_read_without_ids() {
    assert!(!active_span_is_sampled());
    set_active_span(Some(span(7)));
    assert!(active_span_is_sampled());
    set_active_span(Some(span(8)));
    assert!(!active_span_is_sampled());
    set_active_span(Some(span(9)));
    set_active_span(None);
    assert!(!active_span_is_sampled());
    set_active_span(Some(ActiveSpan { trace_id: TraceId::INVALID, ..span(9) }));
    assert_eq!((active_span(), active_span_is_sampled()), (None, false));
}

#[test]
fn invalid_trace_id_counts_as_no_span() {
    set_active_span(Some(ActiveSpan { trace_id: TraceId::INVALID, ..span(1) }));
    assert_eq!(active_span(), None);
}

#[test]
fn active_span_is_per_thread() {
    set_active_span(Some(span(3)));
    std::thread::spawn(|| assert_eq!(active_span(), None)).join().unwrap();
    assert_eq!(active_span(), Some(span(3)));
}

static SEEN: AtomicU64 = AtomicU64::new(0);
static TORN: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    let Some(seen) = active_span() else { return };
    SEEN.fetch_add(1, Ordering::Relaxed);
    let number = seen.span_id.get();
    let whole = seen.trace_id == TraceId::new(u128::from(number) << 64 | u128::from(number))
        && seen.sampled == (number % 2 == 1)
        && seen.name.len() == if number % 2 == 1 { 3 } else { 16 }
        && seen.route.map(Route::as_str)
            == Some(if number % 2 == 1 { "/odd" } else { "/even/{id}" });
    if !whole {
        TORN.store(true, Ordering::Relaxed);
    }
}

#[test]
#[allow(unsafe_code, reason = "a timer signal is the only way to interrupt a write")]
fn signal_handler_reads_consistent_span_or_none() {
    let (odd, even) = (span(1), span(2));
    // SAFETY: the handler touches only atomics and the slot; the timer is disarmed before the end.
    unsafe {
        libc::signal(libc::SIGPROF, on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t);
        let every = libc::timeval { tv_sec: 0, tv_usec: 50 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut());
    }
    for _ in 0..30_000_000_u32 {
        set_active_span(Some(odd));
        set_active_span(Some(even));
        if SEEN.load(Ordering::Relaxed) >= 200 {
            break;
        }
    }
    // SAFETY: a zero timer disarms.
    unsafe {
        let zero = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let off = libc::itimerval { it_interval: zero, it_value: zero };
        libc::setitimer(libc::ITIMER_PROF, &off, std::ptr::null_mut());
    }
    assert!(SEEN.load(Ordering::Relaxed) > 0, "the timer interrupted nothing");
    assert!(!TORN.load(Ordering::Relaxed), "a handler saw parts of two spans");
}
