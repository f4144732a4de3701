//! SIGPROF: its handler copies the state of the thread that it interrupts.
//!
//! The handler allocates nothing, takes no lock and unwinds nothing. It copies registers, stack and the
//! active span into a slot; the profiler's thread does the rest.

#![allow(unsafe_code, reason = "a signal handler, and system calls that have no safe face")]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::ActiveSpan;

use crate::arch::{self, Registers};
use crate::error::Error;
use crate::inside::bounds::Bounds;
use crate::inside::copying::{Copying, STACK};
use crate::inside::error::Kind;
use crate::inside::gate::Gate;
use crate::inside::ring::Ring;
use crate::inside::signal_value::{LAST_NUMBER, SignalValue};
use crate::inside::timed::Timed;
use crate::inside::timers;

/// What the handler copied of one thread.
pub(crate) struct RawSample {
    pub(crate) tid: i32,
    /// The number of its timer, or 0.
    pub(crate) timer: usize,
    /// The C library's pointer to the thread's own block, or 0 where the stack's bounds were known.
    pub(crate) thread: u64,
    /// Periods of the timer that it stands for: more than one where signals came late.
    pub(crate) periods: u32,
    pub(crate) registers: Registers,
    pub(crate) span: Option<ActiveSpan>,
    /// What the handler took, in ticks of [`arch::ticks`]: reading the clock would take longer than the rest.
    pub(crate) took: u64,
    used: usize,
    stack: [u8; STACK],
}

impl RawSample {
    pub(crate) fn empty() -> Self {
        Self {
            tid: 0,
            timer: 0,
            thread: 0,
            periods: 0,
            registers: Registers::default(),
            span: None,
            took: 0,
            used: 0,
            stack: [0; STACK],
        }
    }

    pub(crate) fn stack(&self) -> &[u8] {
        self.stack.get(..self.used).unwrap_or_default()
    }
}

/// Where the signals of one purpose bring what they take down.
pub(crate) struct SampleTarget {
    gate: Gate<Numbered>,
    numbers: AtomicU32,
}

struct Numbered {
    number: u32,
    copying: Copying,
    ring: Arc<Ring<RawSample>>,
    timed: Arc<Timed>,
    bounds: Arc<Bounds>,
}

/// Timers of the CPU profiler.
pub(crate) static PROFILE: SampleTarget = SampleTarget::new();
/// Signals sent to single threads.
pub(crate) static DUMP: SampleTarget = SampleTarget::new();

impl SampleTarget {
    const fn new() -> Self {
        Self { gate: Gate::new(), numbers: AtomicU32::new(1) }
    }

    /// From now on samples come into this ring; answers the number that their signals must carry, so that a
    /// late one of before is known.
    pub(crate) fn begin(
        &self,
        copying: Copying,
        ring: Arc<Ring<RawSample>>,
        timed: Arc<Timed>,
        bounds: Arc<Bounds>,
    ) -> u32 {
        let number = self.numbers.fetch_add(1, Relaxed) & LAST_NUMBER;
        self.gate.open(Arc::new(Numbered { number, copying, ring, timed, bounds }));
        number
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.gate.close();
    }
}

/// Installs the handler, unless something else in the process uses the signal. It stays: the default
/// action of a late signal would end the process.
pub(crate) fn install() -> Result<(), Error> {
    let failed = |source| Error::from(Kind::Signal { source });
    let current = exchange(None).map_err(failed)?;
    if is_ours(&current) {
        return Ok(());
    }
    if !is_free(&current) {
        return Err(Error::from(Kind::SignalTaken));
    }
    // SAFETY: a sigaction is plain numbers, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    let replaced = exchange(Some(&action)).map_err(failed)?;
    if is_free(&replaced) || is_ours(&replaced) {
        return Ok(());
    }
    // Somebody else came in between: it is theirs.
    exchange(Some(&replaced)).map_err(failed)?;
    Err(Error::from(Kind::SignalTaken))
}

/// Where its code begins.
pub(crate) fn handler() -> u64 {
    on_signal as *const () as u64
}

/// Whether signals still come to our handler.
pub(crate) fn is_installed() -> bool {
    exchange(None).is_ok_and(|current| is_ours(&current))
}

fn exchange(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::zeroed();
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: both point to a sigaction, or to nothing where that is allowed.
    match unsafe { libc::sigaction(libc::SIGPROF, new, old.as_mut_ptr()) } {
        // SAFETY: the kernel has filled it.
        0 => Ok(unsafe { old.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn is_free(action: &libc::sigaction) -> bool {
    matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == on_signal as *const () as usize
}

extern "C" fn on_signal(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let begun = arch::ticks();
    // SAFETY: the kernel hands over both, valid for as long as the handler runs.
    let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
    let (target, periods) = match info.si_code {
        // SAFETY: a timer's signal has its missed periods where others have the user.
        libc::SI_TIMER => (&PROFILE, 1 + unsafe { info.si_uid() }),
        libc::SI_QUEUE => (&DUMP, 1),
        _ => return,
    };
    // SAFETY: both kinds carry a value.
    let value = SignalValue::of(unsafe { info.si_value() });
    target.gate.enter(|open| {
        if open.number != value.number {
            return;
        }
        let found = match value.tid {
            0 => untimed(&open.timed, periods),
            tid => Some((tid, periods)),
        };
        let Some((tid, periods)) = found else { return };
        open.ring.put(|taken| {
            taken.tid = tid;
            taken.timer = value.timer;
            taken.periods = periods;
            taken.registers = Registers::of_signal(context);
            taken.span = obs_context::active_span();
            let pointer = taken.registers.stack_pointer();
            match open.bounds.above(value.timer, pointer) {
                Some(above) => {
                    let count = usize::try_from(above).map_or(STACK, |above| above.min(STACK));
                    // SAFETY: it is this thread's own stack, of which so much lies above the pointer.
                    unsafe { arch::copy(pointer, taken.stack.as_mut_ptr(), count) };
                    (taken.used, taken.thread) = (count, 0);
                }
                None => on_unknown_stack(&open.copying, taken),
            }
            taken.took = arch::ticks().wrapping_sub(begun);
        });
    });
}

#[cold]
fn on_unknown_stack(copying: &Copying, taken: &mut RawSample) {
    // SAFETY: this thread's own; what is interrupted may be about to read it.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    taken.used = copying.copy(taken.registers.stack_pointer(), &mut taken.stack);
    // SAFETY: it reads the thread's own pointer.
    taken.thread = unsafe { libc::pthread_self() } as u64;
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// The process's timer found a thread at work: one that has no timer of its own yet?
fn untimed(timed: &Timed, periods: u32) -> Option<(i32, u32)> {
    let tid = timers::own_tid();
    (!timed.has(tid)).then(|| (tid, periods.saturating_mul(timers::PROCESS_PERIODS)))
}
