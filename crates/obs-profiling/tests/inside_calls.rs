//! Threads that the profiler's signal meets in a system call, their own or the handler's.

#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    reason = "system calls as C makes them, which go on after no signal by themselves"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod work;

use std::hint::black_box;
use std::io::Write;
use std::mem;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_profiling::{CpuProfiler, Recording, dump_own};
use work::Burner;

/// The process has one profile at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start() -> CpuProfiler {
    CpuProfiler::start(Recording { rate: 250, duration: Duration::from_secs(3600) }).unwrap()
}

/// Writers of the table of mappings, for whom whoever copies memory by a system call has to wait.
fn maps_and_unmaps() -> [Burner; 2] {
    let work = || {
        const SIZE: usize = 32 << 20;
        // SAFETY: memory of our own that nobody knows.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let memory = libc::mmap(ptr::null_mut(), SIZE, access, flags, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            assert_eq!(libc::munmap(memory, SIZE), 0);
        }
    };
    [Burner::start("mapper-1", work), Burner::start("mapper-2", work)]
}

static ENDS: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn burns_elsewhere() {
    while !ENDS.load(Relaxed) {
        black_box(work::one_part());
    }
}

/// Works on a stack whose bounds nobody knows, so that the handler has the kernel copy it.
fn works_on_alternate_stack() {
    extern "C" fn handler(_: i32) {
        burns_elsewhere();
    }
    let mut memory = vec![0_u8; 256 * 1024];
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    let mut former = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the memory lives until the former stack is back.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
        assert_eq!(libc::sigaltstack(&raw const stack, &raw mut former), 0);
        assert_eq!(libc::raise(libc::SIGUSR1), 0);
        assert_eq!(libc::sigaltstack(&raw const former, ptr::null_mut()), 0);
    }
}

#[test]
fn thread_in_handler_is_shown_without_handler_frames() {
    let _alone = alone();
    let mappers = maps_and_unmaps();
    let burner = std::thread::Builder::new().name("elsewhere".into());
    let burner = burner.spawn(works_on_alternate_stack).unwrap();
    let profiler = start();
    let (mut shown, begun) = (0_u32, Instant::now());
    while shown < 5 || begun.elapsed() < Duration::from_secs(4) {
        assert!(begun.elapsed() < Duration::from_secs(120), "shown {shown} times");
        let dump = dump_own().unwrap();
        for thread in &dump.threads {
            assert!(!thread.to_string().contains("on_signal"), "{thread}");
            shown += u32::from(thread.to_string().contains("burns_elsewhere"));
        }
    }
    ENDS.store(true, Relaxed);
    burner.join().unwrap();
    drop(mappers);
    profiler.finish().unwrap();
}

/// So many bytes at once that it is mostly the kernel that works: the signal meets the call.
#[inline(never)]
fn reads_zeros(interrupted: &AtomicU64) {
    thread_local! {
        static BUFFER: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; 4 << 20]);
        static ZEROS: std::fs::File = std::fs::File::open("/dev/zero").unwrap();
    }
    let read = BUFFER.with_borrow_mut(|buffer| {
        // SAFETY: it writes as much as the buffer has room for.
        ZEROS.with(|zeros| unsafe {
            libc::read(zeros.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len())
        })
    });
    black_box(read);
    interrupted.fetch_add(u64::from(read <= 0), Relaxed);
}

/// A wait that the signal of a timer that ran out before may end.
#[inline(never)]
fn waits_for_byte(pipe: &impl AsRawFd, interrupted: &AtomicU64) {
    black_box(work::one_part());
    let mut byte = 0_u8;
    // SAFETY: it writes one byte.
    let read = unsafe { libc::read(pipe.as_raw_fd(), (&raw mut byte).cast(), 1) };
    interrupted.fetch_add(u64::from(read != 1), Relaxed);
}

#[test]
fn interrupted_calls_resume_with_whole_stacks() {
    let _alone = alone();
    let interrupted = Arc::new(AtomicU64::new(0));
    let (reader, mut writer) = std::io::pipe().unwrap();
    // It outlives the thread, which still is written to.
    let (reader, _open) = (reader.try_clone().unwrap(), reader);
    let (of_zeros, of_waiter) = (Arc::clone(&interrupted), Arc::clone(&interrupted));
    let zeros = Burner::start("zeros", move || reads_zeros(&of_zeros));
    let waiter = Burner::start("waiter", move || waits_for_byte(&reader, &of_waiter));
    let profiler = start();
    let (mut shown, begun) = (0_u32, Instant::now());
    while shown < 10 || begun.elapsed() < Duration::from_secs(2) {
        assert!(begun.elapsed() < Duration::from_secs(120), "shown {shown} times");
        writer.write_all(b"x").unwrap();
        let dump = dump_own().unwrap();
        for thread in dump.threads.iter().filter(|thread| thread.name == "zeros") {
            let Ok(stack) = &thread.stack else { continue };
            assert!(stack.is_complete, "{thread}");
            // It has just begun, or is about to end the closure.
            shown += u32::from(stack.to_string().contains("reads_zeros"));
        }
    }
    drop(zeros);
    let stops = std::thread::spawn(move || drop(waiter));
    while !stops.is_finished() {
        writer.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    stops.join().unwrap();
    let profile = profiler.finish().unwrap();
    assert_eq!(interrupted.load(Relaxed), 0);
    let of_zeros: Vec<_> = profile.samples.iter().filter(|it| it.thread == "zeros").collect();
    let count = |whole: bool| -> u64 {
        let samples = of_zeros.iter().filter(|sample| {
            let stack = sample.stack.to_string();
            !whole || sample.stack.is_complete && stack.contains("reads_zeros")
        });
        samples.map(|sample| sample.count).sum()
    };
    let (all, whole) = (count(false), count(true));
    assert!(all > 0 && whole * 10 >= all * 9, "{whole} of {all}: {:?}", profile.functions());
}

/// std goes on by itself where the kernel does not.
#[test]
fn sleep_under_signals_keeps_duration() {
    let _alone = alone();
    let sleeper = std::thread::spawn(|| {
        for _ in 0..200 {
            black_box(work::two_parts());
            let begun = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            assert!(begun.elapsed() >= Duration::from_millis(5));
        }
    });
    let profiler = start();
    while !sleeper.is_finished() {
        dump_own().unwrap();
    }
    sleeper.join().unwrap();
    profiler.finish().unwrap();
}
