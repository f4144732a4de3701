//! What the handler costs beside one that unwinds, in the same program at the same moments.

#![allow(unsafe_code, reason = "a second signal handler")]

use std::hint::black_box;
use std::mem;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::arch::Registers;
use crate::attach::code::Code;
use crate::attach::unwind::{Cache, Captured, unwind};
use crate::inside::bounds::{self, Bounds};
use crate::inside::ring::Ring;
use crate::inside::signal::{self, STACK, Taken};
use crate::inside::timed::Timed;
use crate::inside::timers::Timers;

const PERIOD: Duration = Duration::from_millis(8);
const LONG: Duration = Duration::from_secs(4);

struct Unwinding {
    code: Code,
    cache: Mutex<Cache>,
    high: u64,
}

static UNWINDING: OnceLock<Unwinding> = OnceLock::new();
static TOOK: [AtomicU64; 4096] = [const { AtomicU64::new(0) }; 4096];
static NEXT: AtomicU64 = AtomicU64::new(0);
static ENDS: AtomicBool = AtomicBool::new(false);

/// Unwinds the thread's own stack where it is: what other profilers do.
extern "C" fn unwinds(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let begun = Instant::now();
    let Some(unwinding) = UNWINDING.get() else { return };
    // SAFETY: the kernel hands it over.
    let registers = Registers::of_signal(unsafe { &*context.cast() });
    let pointer = registers.stack_pointer();
    let length = unwinding.high.saturating_sub(pointer).min(STACK as u64) as usize;
    // SAFETY: this thread's own stack.
    let stack = unsafe {
        std::slice::from_raw_parts(ptr::with_exposed_provenance(pointer as usize), length)
    };
    let Ok(mut cache) = unwinding.cache.try_lock() else { return };
    let found = unwind(unwinding.code.unwinder(), &mut cache, &Captured { registers, stack });
    assert!(found.is_complete);
    let took = begun.elapsed().as_nanos() as u64;
    if let Some(place) = TOOK.get(NEXT.fetch_add(1, Relaxed) as usize) {
        place.store(took, Relaxed);
    }
}

#[inline(never)]
fn works_deep_down(depth: u32) -> u64 {
    let padding = black_box([u64::from(depth); 16]);
    if depth > 0 {
        return works_deep_down(depth - 1) + black_box(padding)[3];
    }
    let mut words = vec![0_u64; 64 * 1024];
    while !ENDS.load(Relaxed) {
        // Like a program, it needs the processor's caches for itself.
        words.iter_mut().for_each(|word| *word = black_box(*word + 1));
    }
    words[0]
}

/// Prints both medians; that the one is far less than the other is all that is asserted.
#[test]
fn the_handler_costs_a_part_of_unwinding_in_it() {
    let own = std::process::id().cast_signed();
    signal::install().expect("no other handler");
    let bounds = Arc::new(Bounds::none());
    let ring = Arc::new(Ring::new(512, Taken::empty));
    let timed = Arc::new(Timed::none());
    let (tid, found) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        // SAFETY: it reads the thread's own pointer.
        let thread = unsafe { libc::pthread_self() } as u64;
        let pointer = (&raw const thread).addr() as u64;
        let maps = std::fs::read_to_string("/proc/self/maps").expect("our own");
        let stack = bounds::find(&maps, pointer, thread).expect("a thread's stack");
        let code = Code::of(own).expect("our own");
        let unwinding = Unwinding { code, cache: Mutex::new(Cache::new()), high: stack.end };
        assert!(UNWINDING.set(unwinding).is_ok());
        let timer = other_timer();
        tid.send(()).expect("heard");
        let result = works_deep_down(15);
        // SAFETY: made above.
        unsafe { libc::timer_delete(timer) };
        result
    });
    found.recv().expect("it works");
    let number = signal::PROFILE.begin(Arc::clone(&ring), Arc::clone(&timed), Arc::clone(&bounds));
    let mut timers = Timers::new(number, PERIOD, timed, Arc::clone(&bounds));
    timers.follow().expect("timers");
    let (mut took, mut fast) = (Vec::new(), 0);
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        ring.drain(|taken| {
            let pointer = taken.registers.stack_pointer();
            if bounds.above(taken.timer, pointer).is_some() {
                took.push(taken.took);
                fast += 1;
            } else if let Some(found) = std::fs::read_to_string("/proc/self/maps")
                .ok()
                .and_then(|maps| bounds::find(&maps, pointer, taken.thread))
            {
                bounds.set(taken.timer, found);
            }
        });
    }
    timers.clear();
    signal::PROFILE.end();
    ENDS.store(true, Relaxed);
    worker.join().expect("it ends");
    let others = TOOK.iter().map(|took| took.load(Relaxed)).filter(|took| *took > 0);
    let (ours, theirs) = (median(took), median(others.collect()));
    println!("medians: {ours} ns to copy, {theirs} ns to unwind, of {fast} samples");
    assert!(ours > 0 && ours < theirs, "{ours} ns and {theirs} ns");
}

fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// Of this thread's CPU time.
fn other_timer() -> libc::timer_t {
    // SAFETY: plain numbers, and calls that read them.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = unwinds as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGVTALRM, &raw const action, ptr::null_mut()), 0);
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGVTALRM;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer = ptr::null_mut();
        let clock = libc::CLOCK_THREAD_CPUTIME_ID;
        assert_eq!(libc::timer_create(clock, &raw mut event, &raw mut timer), 0);
        let period = libc::timespec { tv_sec: 0, tv_nsec: 12_000_000 };
        let setting = libc::itimerspec { it_interval: period, it_value: period };
        assert_eq!(libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()), 0);
        timer
    }
}
