//! What a stack is to its readers.

use std::fmt;
use std::sync::Arc;

use crate::mapping::Mapping;

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
    /// Whether [`function`](Self::function) is a name; else there was no symbol.
    pub is_symbolized: bool,
    /// The address that was at work, in the process: inside the instruction, for a caller inside of its
    /// call.
    pub address: u64,
    /// What is mapped at that address; `None` for the kernel, and where nothing is known to be.
    pub mapping: Option<Arc<Mapping>>,
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
    /// The address by which the file's own symbols count, and which `addr2line -e FILE` takes.
    pub fn file_address(&self) -> Option<u64> {
        Some(self.address.wrapping_sub(self.mapping.as_ref()?.base?))
    }

    /// Whether it belongs to the async runtime, or to the standard library's start of a thread, and so
    /// says nothing of the program: tools show it dimmed.
    pub fn is_runtime(&self) -> bool {
        const PREFIXES: [&str; 13] = [
            "tokio::runtime::",
            "tokio::loom::",
            "tokio::task::coop::",
            "core::ops::function::",
            "core::panic::unwind_safe::",
            "std::panic::",
            "std::panicking::",
            "std::rt::",
            "std::sys::backtrace::",
            "std::sys::thread::",
            "std::sys::pal::unix::thread::",
            "std::thread::local::",
            "std::thread::lifecycle::",
        ];
        const NAMES: [&str; 8] = [
            "__libc_start_call_main",
            "__libc_start_main_alias_2",
            "__rust_try",
            "_start",
            "clone",
            "clone3",
            "main",
            "start_thread",
        ];
        // An implementation of a trait: `<type as trait>::function`.
        let plain = self.function.trim_start_matches('<');
        PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
            || plain.starts_with("alloc::boxed::Box<") && plain.contains("FnOnce")
            || plain.starts_with("std::thread::") && plain.contains("spawn")
            || NAMES.contains(&&*self.function)
            || self.place.as_ref().is_some_and(|(file, _)| is_file_of_runtime(file))
    }
}

/// Functions that were inlined have often lost the path in their name.
fn is_file_of_runtime(file: &str) -> bool {
    const LIBRARY: [&str; 8] = [
        "/library/core/src/ops/function.rs",
        "/library/core/src/panic/unwind_safe.rs",
        "/library/std/src/panic.rs",
        "/library/std/src/panicking.rs",
        "/library/std/src/rt.rs",
        "/library/std/src/sys/backtrace.rs",
        "/library/std/src/thread/lifecycle.rs",
        "/library/std/src/thread/local.rs",
    ];
    const TOKIO: [&str; 3] = ["/src/runtime/", "/src/loom/", "/src/task/coop/"];
    LIBRARY.iter().any(|end| file.ends_with(end))
        || file.contains("/tokio-") && TOKIO.iter().any(|part| file.contains(part))
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
    ["::task::core::", "::task::harness::", "::task::raw::"]
        .iter()
        .any(|part| frame.function.contains(part))
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

/// Where there is no symbol, with the address in the file: that of the process means nothing once it has
/// ended.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some((file, line)) = &self.place {
            write!(f, " ({file}:{line})")?;
        } else if let (false, Some(address)) = (self.is_symbolized, self.file_address()) {
            write!(f, " ({}+{address:#x})", self.module)?;
        } else if !self.module.is_empty() {
            write!(f, " ({})", self.module)?;
        }
        if self.is_inlined { f.write_str(" [inlined]") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: Option<&str>) -> Frame {
        let place = file.map(|file| (file.into(), 1));
        Frame {
            function: function.into(),
            place,
            module: "".into(),
            is_inlined: file.is_some(),
            is_symbolized: true,
            address: 0,
            mapping: None,
        }
    }

    fn is_runtime(function: &str) -> bool {
        frame(function, None).is_runtime()
    }

    #[test]
    fn frame_without_symbol_shows_file_address() {
        let shown = Mapping {
            range: 0x5000..0x6000,
            offset: 0,
            file: "/bin/sleep".into(),
            build_id: None,
            base: Some(0x4000),
            name: "sleep".into(),
            has_symbols: false,
        };
        let unknown = Frame {
            is_symbolized: false,
            address: 0x5010,
            module: "sleep".into(),
            mapping: Some(shown.into()),
            ..frame("0x5010", None)
        };
        assert_eq!(unknown.to_string(), "0x5010 (sleep+0x1010)");
        let named = Frame { is_symbolized: true, function: "main".into(), ..unknown };
        assert_eq!(named.to_string(), "main (sleep)");
    }

    #[test]
    fn inlined_function_is_classified_by_file() {
        let harness = "/registry/src/x/tokio-1.54.1/src/runtime/task/harness.rs";
        assert!(frame("poll_future<T, S>", Some(harness)).is_runtime());
        assert!(frame("do_call<F>", Some("/rustc/5/library/std/src/panicking.rs")).is_runtime());
        assert!(!frame("{closure#0}", Some("src/orders.rs")).is_runtime());
    }

    #[test]
    fn runtime_functions_are_separated_from_program() {
        for runtime in [
            "tokio::runtime::scheduler::multi_thread::worker::Context::run",
            "<tokio::runtime::task::core::Core<T,S> as core::fmt::Debug>::fmt",
            "<alloc::boxed::Box<F,A> as core::ops::function::FnOnce<Args>>::call_once",
            "std::thread::Builder::spawn_unchecked_::{{closure}}",
            "main",
        ] {
            assert!(is_runtime(runtime), "{runtime}");
        }
        for program in [
            "orders::main",
            "tokio::net::tcp::stream::TcpStream::connect",
            "std::thread::sleep",
            "std::sys::fs::unix::read",
            "<alloc::boxed::Box<T> as core::clone::Clone>::clone",
            "<my::Task as core::future::future::Future>::poll",
        ] {
            assert!(!is_runtime(program), "{program}");
        }
    }
}
