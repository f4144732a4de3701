//! Every thread's stack at this moment.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::arch::{self, Registers};
use crate::attach::code::Code;
use crate::attach::files::Files;
use crate::attach::maps::{self, Mapping};
use crate::attach::stop::{self, StopError};
use crate::attach::symbols::Symbols;
use crate::attach::unwind::{Addresses, Cache, Captured, unwind, unwind_waiting};
use crate::attach::waiting::Wait;
use crate::attach::{memory, threads};
use crate::error::{Error, Kind};
use crate::stack::Stack;

/// Bytes: all pushes and the room for variables are made within.
const MAX_PROLOGUE_BYTES: u64 = 64;

/// How threads are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Method {
    /// Each thread is stopped for some microseconds, one at a time.
    #[default]
    Stop,
    /// No thread is stopped: those that wait are read as they are, those that run are passed over.
    Nonstop,
}

/// The stacks of a process's threads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// The process.
    pub pid: i32,
    /// Its threads, in the order of their ids.
    pub threads: Vec<Thread>,
}

/// One thread of a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// Its stack, or why there is none.
    pub stack: Result<Stack, NoStackReason>,
    /// How long it was stopped for it.
    pub paused_for: Duration,
}

/// Why a [`Thread`] has no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStackReason {
    /// It ran, and was not to be stopped, or did not answer.
    Running,
    /// It does not stop: it waits for a disk, or the like.
    Unstoppable,
    /// Something else traces it.
    Refused,
}

/// Reads every thread's stack. Threads that end meanwhile are left out.
///
/// Everything but the copying of registers and stacks happens while the threads run: reading unwind
/// tables, unwinding, symbols.
///
/// # Errors
///
/// When there is no such process, or it may not be looked into; the error says what would allow it.
pub fn dump(pid: i32, method: Method) -> Result<Dump, Error> {
    threads::check(pid)?;
    let mappings = maps::of(pid)?;
    let code = Code::mapped(pid, &mappings, &mut Files::default());
    let observed = match method {
        // What does not stop stays marked to be stopped, until the thread that marked it ends.
        Method::Stop => std::thread::scope(|scope| {
            let failed = |source| Error::new(Kind::Trace { pid, source });
            let capturing = || capture_threads(pid, |tid| stopped(pid, tid, &mappings));
            let capturing = std::thread::Builder::new().spawn_scoped(scope, capturing);
            let captured = capturing.map_err(failed)?.join();
            captured.unwrap_or_else(|_| Err(failed(io::ErrorKind::Other.into())))
        }),
        Method::Nonstop => capture_threads(pid, |tid| Ok(nonstop(pid, tid, &mappings))),
    }?;
    // No thread is held any more.
    Ok(with_names(pid, &code, unwound(pid, &code, observed)))
}

pub(super) fn with_names(pid: i32, code: &Code, unwound: Vec<Unwound>) -> Dump {
    let known = unwound.iter().filter_map(|thread| thread.addresses.as_ref().ok());
    let mut symbols = Symbols::new();
    symbols.resolve(code, known.map(|addresses| &addresses.frames));
    let threads = unwound.into_iter().map(|Unwound { tid, name, addresses, paused_for }| {
        let stack = addresses.map(|addresses| symbols.stack(code, &addresses));
        Thread { tid, name, stack, paused_for }
    });
    Dump { pid, threads: threads.collect() }
}

/// Every thread's name and copy.
pub(super) fn capture_threads(
    pid: i32,
    copy: impl Fn(i32) -> Result<ThreadCapture, StopError>,
) -> Result<Vec<ObservedThread>, Error> {
    let mut observed = Vec::new();
    for tid in threads::of(pid)? {
        let copy = match copy(tid) {
            Ok(copy) => copy,
            Err(StopError::Gone) => continue,
            Err(StopError::Unstoppable) => ThreadCapture::without_stack(NoStackReason::Unstoppable),
            Err(StopError::Failed(errno)) if observed.is_empty() => {
                let source = io::Error::from(errno);
                return Err(Error::new(Kind::Trace { pid, source }));
            }
            Err(StopError::Failed(_)) => ThreadCapture::without_stack(NoStackReason::Refused),
        };
        observed.push(ObservedThread { tid, name: threads::name(pid, tid), copy });
    }
    Ok(observed)
}

pub(super) struct ObservedThread {
    tid: i32,
    name: String,
    copy: ThreadCapture,
}

pub(super) struct Unwound {
    pub(super) tid: i32,
    name: String,
    pub(super) addresses: Result<Addresses, NoStackReason>,
    paused_for: Duration,
}

pub(super) fn unwound(pid: i32, code: &Code, observed: Vec<ObservedThread>) -> Vec<Unwound> {
    let mut cache = Cache::new();
    let unwound = observed.into_iter().map(|ObservedThread { tid, name, copy }| {
        let paused_for = copy.paused_for;
        Unwound { tid, name, addresses: copy.unwound(pid, code, &mut cache), paused_for }
    });
    unwound.collect()
}

/// The state of a thread before it is unwound.
pub(super) struct ThreadCapture {
    copied: Result<(Registers, Vec<u8>), NoStackReason>,
    /// Of its registers only two are known.
    is_waiting: bool,
    paused_for: Duration,
}

impl ThreadCapture {
    pub(super) fn without_stack(reason: NoStackReason) -> Self {
        Self { copied: Err(reason), is_waiting: false, paused_for: Duration::ZERO }
    }

    fn unwound(self, pid: i32, code: &Code, cache: &mut Cache) -> Result<Addresses, NoStackReason> {
        let (registers, stack) = self.copied?;
        let captured = Captured { registers, stack: &stack };
        if !self.is_waiting {
            return Ok(unwind(code.unwinder(), cache, &captured));
        }
        Ok(unwind_waiting(code.unwinder(), cache, &captured, |address, pointer| {
            let beginning = code.function_before(address)?;
            let length = address.checked_sub(beginning)?.min(MAX_PROLOGUE_BYTES);
            let first_instructions = memory::read(pid, beginning, length as usize);
            pointer.checked_add(arch::frame_pointer_offset(&first_instructions)?)
        }))
    }
}

fn stopped(pid: i32, tid: i32, mappings: &[Mapping]) -> Result<ThreadCapture, StopError> {
    let stopped = stop::copy(pid, tid, mappings)?;
    let copied = Ok((stopped.registers, stopped.stack));
    Ok(ThreadCapture { copied, is_waiting: false, paused_for: stopped.paused_for })
}

/// A thread that has run meanwhile has another stack than its registers say: it counts as one that runs.
pub(super) fn nonstop(pid: i32, tid: i32, mappings: &[Mapping]) -> ThreadCapture {
    const TRIES: usize = 3;

    for _ in 0..TRIES {
        let Some(wait) = Wait::of(pid, tid) else { break };
        let registers = wait.registers();
        let stack = stop::stack(pid, mappings, registers.stack_pointer());
        if Wait::of(pid, tid).is_some_and(|after| after == wait) {
            return ThreadCapture {
                copied: Ok((registers, stack)),
                is_waiting: true,
                paused_for: Duration::ZERO,
            };
        }
    }
    ThreadCapture::without_stack(NoStackReason::Running)
}

impl fmt::Display for NoStackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running: not stopped",
            Self::Unstoppable => "it does not stop: it waits for a disk, or the like",
            Self::Refused => "it may not be traced: something else does",
        })
    }
}

/// As `obs-profile dump` prints it.
impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for thread in &self.threads {
            writeln!(f, "{thread}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Thread {} \"{}\"", self.tid, self.name)?;
        match &self.stack {
            Ok(stack) => write!(f, "{stack}"),
            Err(reason) => writeln!(f, "    ({reason})"),
        }
    }
}
