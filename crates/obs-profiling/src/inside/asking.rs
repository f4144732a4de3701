//! Captures threads of this process by a signal to each.

#![allow(unsafe_code, reason = "rt_tgsigqueueinfo(2) has no safe face")]

use std::collections::{HashMap, HashSet};
use std::ffi::c_int;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use crate::arch::Registers;
use crate::inside::copying::Copying;
use crate::inside::ring::Ring;
use crate::inside::signal::{self, DUMP, RawSample};
use crate::inside::signal_value::SignalValue;
use crate::inside::sync::pause;

/// A thread that runs answers at once; one that is ready to run, when it has a processor.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// The kernel keeps one signal of a kind for a thread, and forgets others: they are sent again.
const RESEND_INTERVAL: Duration = Duration::from_millis(20);
/// 16 KiB each. Threads that find none are signalled again.
const MAX_SLOTS: usize = 64;

/// Held by the dump that signals threads.
static ASKING: Mutex<()> = Mutex::new(());

/// The right to signal threads: while one dump has it, no thread is in the handler for another.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

/// Registers and stacks of those of these threads that answer in time: none, where the signal is not ours.
pub(crate) fn ask(pid: i32, threads: Vec<i32>, _: &Turn) -> HashMap<i32, (Registers, Vec<u8>)> {
    let mut answers = HashMap::new();
    let mut missing: HashSet<i32> = threads.into_iter().collect();
    if missing.is_empty() || signal::install().is_err() {
        return answers;
    }
    let Ok(copying) = Copying::of_this_process() else { return answers };
    let ring = Arc::new(Ring::new(missing.len().min(MAX_SLOTS), RawSample::empty));
    let number = DUMP.begin(copying, Arc::clone(&ring), Arc::default(), Arc::default());
    let begun = Instant::now();
    let mut next = begun;
    while !missing.is_empty() && begun.elapsed() < ANSWER_TIMEOUT {
        if Instant::now() >= next {
            missing.retain(|tid| send(pid, *tid, number));
            next = Instant::now() + RESEND_INTERVAL;
        }
        pause();
        ring.drain(|taken| {
            if missing.remove(&taken.tid) {
                answers.insert(taken.tid, (taken.registers, taken.stack().to_vec()));
            }
        });
    }
    DUMP.end();
    answers
}

/// In a process that was forked while its parent asked, the turn never comes: the wait is limited.
pub(crate) fn turn() -> Option<Turn> {
    let begun = Instant::now();
    loop {
        match ASKING.try_lock() {
            Ok(turn) => return Some(Turn(turn)),
            Err(TryLockError::Poisoned(turn)) => return Some(Turn(turn.into_inner())),
            Err(TryLockError::WouldBlock) if begun.elapsed() > 10 * ANSWER_TIMEOUT => return None,
            Err(TryLockError::WouldBlock) => pause(),
        }
    }
}

/// `siginfo_t` of a signal that carries a value.
#[repr(C)]
struct Queued {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    pid: i32,
    uid: u32,
    value: libc::sigval,
    rest: [u64; 12],
}

/// `false` when the thread has ended.
fn send(pid: i32, tid: i32, number: u32) -> bool {
    let value = SignalValue { number, timer: 0, tid }.value();
    let (signal, code) = (libc::SIGPROF, libc::SI_QUEUE);
    let queued = Queued { signal, errno: 0, code, padding: 0, pid, uid: 0, value, rest: [0; 12] };
    // SAFETY: it reads the structure, which is as long and laid out as the kernel's.
    0 == unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, &raw const queued) }
}

const _: () = assert!(mem::size_of::<Queued>() == mem::size_of::<libc::siginfo_t>());
