//! What a stack is to its readers.

use std::fmt;
use std::sync::Arc;

/// One function at work, inlined ones included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// Its name, demangled and without the hash; an address such as `0x55d0` where there is no symbol.
    pub function: Arc<str>,
    /// The file and line that were at work, where the program has debug information.
    pub place: Option<(Arc<str>, u32)>,
    /// The program or library that it is in.
    pub module: Arc<str>,
    /// Whether the compiler had put it into its caller.
    pub is_inlined: bool,
}

/// Functions at work, the innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stack {
    /// The innermost first.
    pub frames: Vec<Frame>,
    /// Whether it reaches the thread's beginning. Where it does not, the outermost frames are missing.
    pub is_complete: bool,
}

impl Frame {
    /// Whether it belongs to the async runtime or the standard library's start of a thread, which say
    /// nothing of the program.
    pub fn is_runtime(&self) -> bool {
        const PREFIXES: [&str; 8] = [
            "tokio::runtime::",
            "<tokio::runtime::",
            "std::rt::",
            "std::panicking::",
            "std::sys::",
            "std::thread::",
            "core::ops::function::",
            "__rust_begin_short_backtrace",
        ];
        PREFIXES.iter().any(|prefix| self.function.starts_with(prefix))
    }
}

impl Stack {
    /// Whether the thread is a worker of an async runtime, or of its blocking pool, that has nothing to
    /// do.
    pub fn is_idle(&self) -> bool {
        const IDLE: [&str; 4] = [
            "tokio::runtime::scheduler::multi_thread::park::",
            "tokio::runtime::scheduler::multi_thread::worker::Context::park",
            "tokio::runtime::blocking::pool::Inner::run",
            "tokio::runtime::scheduler::current_thread::Context::park",
        ];
        let own = self.frames.iter().take_while(|frame| !is_poll(frame));
        own.clone().any(|frame| IDLE.iter().any(|idle| frame.function.contains(idle)))
            && own.take(6).any(is_wait)
    }
}

/// A task or a closure of the blocking pool is at work.
fn is_poll(frame: &Frame) -> bool {
    frame.function.contains("::task::core::") || frame.function.contains("::task::harness::")
}

fn is_wait(frame: &Frame) -> bool {
    ["epoll_wait", "futex", "syscall", "pthread_cond", "park"]
        .iter()
        .any(|wait| frame.function.contains(wait))
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in &self.frames {
            writeln!(f, "    {frame}")?;
        }
        match self.is_complete {
            true => Ok(()),
            false => writeln!(f, "    (the rest is missing)"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some((file, line)) = &self.place {
            write!(f, " ({file}:{line})")?;
        } else if !self.module.is_empty() {
            write!(f, " ({})", self.module)?;
        }
        if self.is_inlined { f.write_str(" [inlined]") } else { Ok(()) }
    }
}
