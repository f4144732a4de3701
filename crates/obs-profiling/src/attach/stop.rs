//! One thread stopped for as long as it takes to copy its registers and its stack.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::arch::Registers;
use crate::attach::maps::{self, Mapping};
use crate::attach::memory;

/// Deeper stacks are cut, and say so.
const MAX_STACK_BYTES: u64 = 1 << 20;
/// A thread in uninterruptible sleep does not stop: it is left alone after this.
const STOP_TIMEOUT: Duration = Duration::from_millis(200);

/// The state of a thread that was stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) registers: Registers,
    pub(crate) stack: Vec<u8>,
    /// How long the thread was stopped.
    pub(crate) paused_for: Duration,
}

/// Why there is no stack.
#[derive(Debug)]
pub(crate) enum StopError {
    /// The thread has ended.
    Gone,
    /// It did not stop in time: it waits for a disk, or the like.
    Unstoppable,
    Failed(Errno),
}

pub(crate) fn copy(pid: i32, tid: i32, mappings: &[Mapping]) -> Result<Stopped, StopError> {
    let thread = Pid::from_raw(tid);
    ptrace::seize(thread, ptrace::Options::empty()).map_err(stop_error)?;
    let begun = Instant::now();
    let signal = interrupt(thread)?;
    let registers = ptrace::getregs(thread).map(|registers| Registers::of_thread(&registers));
    let stack = registers.map(|registers| stack(pid, mappings, registers.stack_pointer()));
    let detached = ptrace::detach(thread, signal);
    let paused_for = begun.elapsed();
    detached.map_err(stop_error)?;
    Ok(Stopped {
        registers: registers.map_err(stop_error)?,
        stack: stack.map_err(stop_error)?,
        paused_for,
    })
}

/// Stops the thread. A signal that came at the same moment is answered: it must be handed on.
fn interrupt(thread: Pid) -> Result<Option<Signal>, StopError> {
    ptrace::interrupt(thread).map_err(stop_error)?;
    let begun = Instant::now();
    loop {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        match waitpid(thread, Some(flags)).map_err(stop_error)? {
            WaitStatus::StillAlive if begun.elapsed() > STOP_TIMEOUT => {
                return Err(StopError::Unstoppable);
            }
            // It takes microseconds: sleeping would only make the stop longer.
            WaitStatus::StillAlive => std::thread::yield_now(),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Err(StopError::Gone),
            WaitStatus::Stopped(_, signal) => return Ok(Some(signal)),
            _ => return Ok(None),
        }
    }
}

/// What lies above the stack pointer.
pub(crate) fn stack(pid: i32, mappings: &[Mapping], pointer: u64) -> Vec<u8> {
    let Some(mapping) = maps::find(mappings, pointer) else { return Vec::new() };
    let length = (mapping.range.end - pointer).min(MAX_STACK_BYTES);
    memory::read(pid, pointer, length as usize)
}

fn stop_error(errno: Errno) -> StopError {
    match errno {
        Errno::ESRCH | Errno::ECHILD => StopError::Gone,
        errno => StopError::Failed(errno),
    }
}
