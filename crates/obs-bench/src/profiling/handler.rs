//! What a signal handler takes of a program: ours, which copies, and one that unwinds.

#![allow(unsafe_code, reason = "signal handlers and timers")]

use std::ffi::c_void;
use std::hint::black_box;
use std::mem;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use framehop::x86_64::UnwindRegsX86_64;
use framehop::{MustNotAllocateDuringUnwind, Unwinder as _, UnwinderNative};
use obs_profiling::{CpuProfiler, Recording};
use serde_json::{Value, json};

use super::modules;

const RATE: u32 = 125;
const LONG: Duration = Duration::from_secs(3);
/// The first few find cold caches, or bounds that are not known yet.
const FIRST: usize = 20;
const DEEP: u32 = 15;

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);
type Cache = framehop::CacheNative<MustNotAllocateDuringUnwind>;
type Unwinder = UnwinderNative<&'static [u8], MustNotAllocateDuringUnwind>;

/// The handler that is measured.
static MEASURED: AtomicUsize = AtomicUsize::new(0);
static TOOK: [AtomicU64; 4096] = [const { AtomicU64::new(0) }; 4096];
static NEXT: AtomicUsize = AtomicUsize::new(0);
static ENDS: AtomicBool = AtomicBool::new(false);
static UNWINDER: OnceLock<(Unwinder, Mutex<Cache>)> = OnceLock::new();
/// Of the thread that works.
static STACK_END: AtomicUsize = AtomicUsize::new(0);
static FRAMES: AtomicUsize = AtomicUsize::new(0);

/// Nanoseconds that our handler takes in the better cases: a quarter of them takes less.
pub(super) fn copying() -> f64 {
    let worker = std::thread::spawn(|| works_deep_down(DEEP));
    let recording = Recording { rate: RATE, duration: 2 * LONG };
    let profiler = CpuProfiler::start(recording).expect("a profiler");
    while action(None).sa_sigaction == libc::SIG_DFL {
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = measured();
    ENDS.store(true, Relaxed);
    worker.join().expect("it ends");
    let profile = profiler.finish().expect("a profile");
    let deep = profile.functions().into_iter().find(|it| it.0.contains("works_deep_down"));
    // What was measured was copying the whole of it.
    let is_right = deep.is_some() && profile.truncated() * 20 < profile.total();
    if is_right { took } else { f64::NAN }
}

/// Nanoseconds that unwinding takes there, by the same unwinder with its tables in memory; as above.
pub(super) fn unwinding() -> f64 {
    let mut unwinder = Unwinder::new();
    modules::of_this_process().into_iter().for_each(|module| unwinder.add_module(module));
    assert!(UNWINDER.set((unwinder, Mutex::new(Cache::new_in()))).is_ok());
    // SAFETY: a sigaction is plain numbers, for which zeros are valid.
    let mut unwinding: libc::sigaction = unsafe { mem::zeroed() };
    unwinding.sa_sigaction = unwinds as *const () as usize;
    // The unwinder needs more than an alternate stack has.
    unwinding.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    action(Some(&unwinding));
    let worker = std::thread::spawn(|| {
        // SAFETY: it reads the thread's own pointer, which glibc keeps at the end of the thread's stack.
        STACK_END.store(unsafe { libc::pthread_self() } as usize, Relaxed);
        let timer = own_timer();
        let worked = works_deep_down(DEEP);
        // SAFETY: made above.
        unsafe { libc::timer_delete(timer) };
        worked
    });
    let took = measured();
    ENDS.store(true, Relaxed);
    worker.join().expect("it ends");
    let is_right = FRAMES.load(Relaxed) > DEEP as usize;
    if is_right { took } else { f64::NAN }
}

/// Puts a clock around the handler of SIGPROF for a while.
fn measured() -> f64 {
    let original = action(None);
    MEASURED.store(original.sa_sigaction, Relaxed);
    let mut around = original;
    around.sa_sigaction = clocked as *const () as usize;
    action(Some(&around));
    std::thread::sleep(LONG);
    action(Some(&original));
    let count = NEXT.load(Relaxed).min(TOOK.len());
    let mut took: Vec<u64> =
        TOOK[..count].iter().skip(FIRST).map(|took| took.load(Relaxed)).collect();
    took.sort_unstable();
    // What else goes on in the machine takes caches away, and only ever adds.
    took.get(took.len() / 4).map_or(f64::NAN, |quarter| *quarter as f64)
}

extern "C" fn clocked(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    let begun = Instant::now();
    // SAFETY: only handlers of this type are stored, before this one is installed.
    let measured = unsafe { mem::transmute::<usize, Handler>(MEASURED.load(Relaxed)) };
    measured(signal, info, context);
    let took = begun.elapsed().as_nanos() as u64;
    if let Some(place) = TOOK.get(NEXT.fetch_add(1, Relaxed)) {
        place.store(took, Relaxed);
    }
}

extern "C" fn unwinds(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands it over.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let register = |number: i32| context.uc_mcontext.gregs[number as usize] as u64;
    let (address, pointer) = (register(libc::REG_RIP), register(libc::REG_RSP));
    let registers = UnwindRegsX86_64::new(address, pointer, register(libc::REG_RBP));
    let Some((unwinder, cache)) = UNWINDER.get() else { return };
    let Ok(mut cache) = cache.try_lock() else { return };
    let stack = pointer..STACK_END.load(Relaxed) as u64 - 8;
    let mut read = |address: u64| match stack.contains(&address) {
        // SAFETY: this thread's own stack.
        true => Ok(unsafe { *(address as *const u64) }),
        false => Err(()),
    };
    let mut frames = unwinder.iter_frames(address, registers, &mut cache, &mut read);
    let mut addresses = [0; 64];
    let mut count = 0;
    while let (Ok(Some(frame)), Some(place)) = (frames.next(), addresses.get_mut(count)) {
        *place = frame.address_for_lookup();
        count += 1;
    }
    black_box(&addresses);
    FRAMES.store(count, Relaxed);
}

/// What programs do: many functions, on a stack of some depth, with memory of their own.
#[inline(never)]
fn works_deep_down(depth: u32) -> usize {
    let padding = black_box([u64::from(depth); 4]);
    if depth > 0 {
        return works_deep_down(depth - 1) + black_box(padding)[3] as usize;
    }
    let orders: Vec<Value> =
        (0..500).map(|id| json!({ "id": id, "lines": [id, [1.5, "text"]] })).collect();
    let text = Value::from(orders).to_string();
    let mut done = 0;
    while !ENDS.load(Relaxed) {
        let read: Value = serde_json::from_str(black_box(&text)).expect("what was written");
        done += black_box(read.to_string()).len();
    }
    done
}

fn action(new: Option<&libc::sigaction>) -> libc::sigaction {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: both point to a sigaction, or to nothing where that is allowed.
    unsafe {
        let mut old = mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGPROF, new, &raw mut old), 0);
        old
    }
}

/// Of this thread's CPU time.
fn own_timer() -> libc::timer_t {
    // SAFETY: plain numbers, and calls that read them.
    unsafe {
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer = ptr::null_mut();
        let clock = libc::CLOCK_THREAD_CPUTIME_ID;
        assert_eq!(libc::timer_create(clock, &raw mut event, &raw mut timer), 0);
        let period = libc::timespec { tv_sec: 0, tv_nsec: i64::from(1_000_000_000 / RATE) };
        let setting = libc::itimerspec { it_interval: period, it_value: period };
        assert_eq!(libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()), 0);
        timer
    }
}
