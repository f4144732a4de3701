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
const LONGEST_PROLOGUE: u64 = 64;

/// How threads are looked at.
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
    /// How long it stood still for it.
    pub stood: Duration,
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
    let seen = match method {
        // What does not stop stays marked to be stopped, until the thread that marked it ends.
        Method::Stop => std::thread::scope(|scope| {
            let failed = |source| Error::new(Kind::Trace { pid, source });
            let looking = || look(pid, |tid| stopped(pid, tid, &mappings));
            let looking = std::thread::Builder::new().spawn_scoped(scope, looking);
            let looked = looking.map_err(failed)?.join();
            looked.unwrap_or_else(|_| Err(failed(io::ErrorKind::Other.into())))
        }),
        Method::Nonstop => look(pid, |tid| Ok(nonstop(pid, tid, &mappings))),
    }?;
    // No thread is held any more.
    Ok(with_names(pid, &code, unwound(pid, &code, seen)))
}

pub(super) fn with_names(pid: i32, code: &Code, unwound: Vec<Unwound>) -> Dump {
    let known = unwound.iter().filter_map(|thread| thread.addresses.as_ref().ok());
    let mut symbols = Symbols::new();
    symbols.learn(code, known.map(|addresses| &addresses.frames));
    let threads = unwound.into_iter().map(|Unwound { tid, name, addresses, stood }| {
        let stack = addresses.map(|addresses| symbols.stack(code, &addresses));
        Thread { tid, name, stack, stood }
    });
    Dump { pid, threads: threads.collect() }
}

/// Every thread's name and copy.
pub(super) fn look(
    pid: i32,
    copy: impl Fn(i32) -> Result<Copy, StopError>,
) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    for tid in threads::of(pid)? {
        let copy = match copy(tid) {
            Ok(copy) => copy,
            Err(StopError::Gone) => continue,
            Err(StopError::Unstoppable) => Copy::absent(NoStackReason::Unstoppable),
            Err(StopError::Failed(errno)) if seen.is_empty() => {
                let source = io::Error::from(errno);
                return Err(Error::new(Kind::Trace { pid, source }));
            }
            Err(StopError::Failed(_)) => Copy::absent(NoStackReason::Refused),
        };
        seen.push(Seen { tid, name: threads::name(pid, tid), copy });
    }
    Ok(seen)
}

pub(super) struct Seen {
    tid: i32,
    name: String,
    copy: Copy,
}

pub(super) struct Unwound {
    pub(super) tid: i32,
    name: String,
    pub(super) addresses: Result<Addresses, NoStackReason>,
    stood: Duration,
}

pub(super) fn unwound(pid: i32, code: &Code, seen: Vec<Seen>) -> Vec<Unwound> {
    let mut cache = Cache::new();
    let unwound = seen.into_iter().map(|Seen { tid, name, copy }| {
        let stood = copy.stood;
        Unwound { tid, name, addresses: copy.unwound(pid, code, &mut cache), stood }
    });
    unwound.collect()
}

/// What is known of a thread before it is unwound.
pub(super) struct Copy {
    copied: Result<(Registers, Vec<u8>), NoStackReason>,
    /// Of its registers only two are known.
    is_waiting: bool,
    stood: Duration,
}

impl Copy {
    pub(super) fn absent(absence: NoStackReason) -> Self {
        Self { copied: Err(absence), is_waiting: false, stood: Duration::ZERO }
    }

    fn unwound(self, pid: i32, code: &Code, cache: &mut Cache) -> Result<Addresses, NoStackReason> {
        let (registers, stack) = self.copied?;
        let captured = Captured { registers, stack: &stack };
        if !self.is_waiting {
            return Ok(unwind(code.unwinder(), cache, &captured));
        }
        Ok(unwind_waiting(code.unwinder(), cache, &captured, |address, pointer| {
            let beginning = code.function_before(address)?;
            let length = address.checked_sub(beginning)?.min(LONGEST_PROLOGUE);
            let first_instructions = memory::read(pid, beginning, length as usize);
            pointer.checked_add(arch::frame_pointer_offset(&first_instructions)?)
        }))
    }
}

fn stopped(pid: i32, tid: i32, mappings: &[Mapping]) -> Result<Copy, StopError> {
    let stopped = stop::copy(pid, tid, mappings)?;
    let copied = Ok((stopped.registers, stopped.stack));
    Ok(Copy { copied, is_waiting: false, stood: stopped.stood })
}

/// A thread that has run meanwhile has another stack than its registers say: it counts as one that runs.
pub(super) fn nonstop(pid: i32, tid: i32, mappings: &[Mapping]) -> Copy {
    const TRIES: usize = 3;

    for _ in 0..TRIES {
        let Some(wait) = Wait::of(pid, tid) else { break };
        let registers = wait.registers();
        let stack = stop::stack(pid, mappings, registers.stack_pointer());
        if Wait::of(pid, tid).is_some_and(|after| after == wait) {
            return Copy {
                copied: Ok((registers, stack)),
                is_waiting: true,
                stood: Duration::ZERO,
            };
        }
    }
    Copy::absent(NoStackReason::Running)
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
            Err(absence) => writeln!(f, "    ({absence})"),
        }
    }
}
