//! Stacks that a process takes of itself, of threads that run too.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod work;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use obs_profiling::{CpuProfiler, Dump, NoStackReason, Recording, Thread, dump_own};
use work::Burner;

/// Threads of other tests would be asked as well.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread in a loop that nothing but itself can end.
struct Wedged {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wedged {
    fn start(name: &str) -> Self {
        Self::start_after(name, || ())
    }

    fn start_after(name: &str, first: impl FnOnce() + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, (begins, begun)) = (Arc::clone(&ends), mpsc::channel());
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            first();
            spins(&seen, &begins);
        });
        begun.recv().unwrap();
        Self { ends, thread: Some(thread.unwrap()) }
    }
}

impl Drop for Wedged {
    fn drop(&mut self) {
        self.ends.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// However busy the machine is.
fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not in two minutes");
    }
}

#[inline(never)]
fn spins(ends: &AtomicBool, begins: &mpsc::Sender<()>) {
    begins.send(()).unwrap();
    while !ends.load(Relaxed) {
        black_box(ends);
    }
}

#[inline(never)]
fn waits(for_end: &mpsc::Receiver<()>) {
    let _ = for_end.recv();
}

fn thread<'a>(dump: &'a Dump, name: &str) -> &'a Thread {
    dump.threads.iter().find(|thread| thread.name == name).unwrap()
}

/// Whether the thread was shown, which must then be right; on a busy machine it may not have had a
/// processor in time.
fn shows(dump: &Dump, name: &str, function: &str) -> bool {
    // A thread gives itself its name, once it runs.
    let Some(thread) = dump.threads.iter().find(|thread| thread.name == name) else { return false };
    let stack = match &thread.stack {
        Ok(stack) => stack,
        Err(NoStackReason::Running) => return false,
        Err(absence) => panic!("{absence}"),
    };
    assert!(stack.is_complete, "{stack}");
    assert!(stack.frames.iter().any(|frame| frame.function.contains(function)), "{stack}");
    assert!(!stack.frames.iter().any(|frame| frame.function.contains("on_signal")), "{stack}");
    true
}

#[test]
fn dump_shows_running_and_waiting_threads() {
    let _alone = alone();
    let _wedged = Wedged::start("wedged-worker");
    let (ends, end) = mpsc::channel::<()>();
    let waiter = std::thread::Builder::new().name("waiter".into());
    let waiter = waiter.spawn(move || waits(&end)).unwrap();
    let waits = || shows(&dump_own().unwrap(), "waiter", "std");
    while !waits() {}
    let asker = nix::unistd::gettid().as_raw();
    let (mut of_wedged, mut of_asker) = (0, 0);
    eventually(|| {
        let dump = dump_own().unwrap();
        of_wedged += usize::from(shows(&dump, "wedged-worker", "spins"));
        assert!(shows(&dump, "waiter", "waits"), "{dump}");
        // Whoever asks runs as well.
        let own = dump.threads.iter().find(|thread| thread.tid == asker).unwrap();
        let own = own.stack.as_ref().is_ok_and(|stack| stack.to_string().contains("dump_own"));
        of_asker += usize::from(own);
        of_wedged >= 10 && of_asker >= 10
    });
    drop(ends);
    waiter.join().unwrap();
}

#[test]
fn concurrent_dumps_take_turns() {
    let _alone = alone();
    let _wedged = Wedged::start("wedged-worker");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| eventually(|| shows(&dump_own().unwrap(), "wedged-worker", "spins")));
        }
    });
}

#[test]
fn profile_during_dumps_keeps_samples() {
    let _alone = alone();
    let _wedged = Wedged::start("wedged-worker");
    let recording = Recording { rate: 250, duration: Duration::from_secs(300) };
    let profiler = CpuProfiler::start(recording).unwrap();
    let (mut shown, begun) = (0, Instant::now());
    eventually(|| {
        shown += usize::from(shows(&dump_own().unwrap(), "wedged-worker", "spins"));
        shown >= 10 && begun.elapsed() > Duration::from_secs(2)
    });
    let profile = profiler.finish().unwrap();
    assert!(profile.lost * 10 < profile.total(), "{} lost", profile.lost);
    assert_eq!(profile.unsampled, 0);
    let of_wedged = profile.samples.iter().filter(|sample| sample.thread == "wedged-worker");
    let (total, whole) = of_wedged.fold((0, 0), |(total, whole), sample| {
        let spins = sample.stack.frames.iter().any(|frame| frame.function.contains("spins"));
        (total + sample.count, whole + if spins { sample.count } else { 0 })
    });
    assert!(whole > 0 && whole * 10 >= total * 9, "{whole} of {total}");
}

#[test]
fn thread_blocking_signal_is_listed_as_running() {
    let _alone = alone();
    let _wedged = Wedged::start_after("deaf-worker", || {
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGPROF);
        blocked.thread_block().unwrap();
    });
    let dump = dump_own().unwrap();
    assert_eq!(thread(&dump, "deaf-worker").stack, Err(NoStackReason::Running));
    assert!(dump.to_string().contains("(running: not stopped)"), "{dump}");
}

#[test]
fn dump_of_more_threads_than_slots_has_whole_stacks() {
    let _alone = alone();
    let burners: Vec<_> = (0..80)
        .map(|number| Burner::start(&format!("burner-{number}"), || _ = work::one_part()))
        .collect();
    // How many have had a processor in time is the machine's affair.
    eventually(|| {
        let dump = dump_own().unwrap();
        let burners = dump.threads.iter().filter(|thread| thread.name.starts_with("burner-"));
        let seen: Vec<_> = burners.filter_map(|thread| thread.stack.as_ref().ok()).collect();
        assert!(seen.iter().all(|stack| stack.is_complete), "{dump}");
        !seen.is_empty()
    });
    drop(burners);
}
