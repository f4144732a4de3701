//! What can go wrong with profiles of this very process.

use std::fmt;
use std::io;
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum Kind {
    Rate {
        rate: u32,
        highest: u32,
    },
    UnderWay {
        left: Option<Duration>,
    },
    SignalTaken,
    Signal {
        source: io::Error,
    },
    Timers {
        source: io::Error,
    },
    Copy {
        source: io::Error,
    },
    Thread {
        source: io::Error,
    },
    /// The program does not have the sampling allocator.
    NotInstalled,
    NotStarted,
    Broken,
}

impl Kind {
    pub(crate) fn source(&self) -> Option<&io::Error> {
        match self {
            Self::Signal { source }
            | Self::Timers { source }
            | Self::Copy { source }
            | Self::Thread { source } => Some(source),
            Self::Rate { .. }
            | Self::UnderWay { .. }
            | Self::SignalTaken
            | Self::NotInstalled
            | Self::NotStarted
            | Self::Broken => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { rate, highest } => write!(
                f,
                "{rate} samples a second: give 1 to {highest}; beyond that the kernel's CPU timers do \
                 not go, and `obs-profile record --rate` does, from outside"
            ),
            Self::UnderWay { left: Some(left) } => write!(
                f,
                "a profile of this process is being taken already: try again in {} s",
                left.as_secs() + 1
            ),
            Self::UnderWay { left: None } => {
                f.write_str("a profile of this process is being taken already: end that one first")
            }
            Self::SignalTaken => f.write_str(
                "SIGPROF has a handler that is not ours: only one profiler can use it; take the other \
                 one out, or profile from outside with `obs-profile record`",
            ),
            Self::Signal { source } => write!(f, "no handler of SIGPROF can be installed: {source}"),
            Self::Timers { source } => write!(
                f,
                "no timers of CPU time: {source}; raise the limit of pending signals (`ulimit -i`), and \
                 let the sandbox allow timer_create"
            ),
            Self::Copy { source } => write!(
                f,
                "this process may not read its own stacks: {source}; let the sandbox (seccomp) allow \
                 process_vm_readv, or /proc/self/mem be read"
            ),
            Self::Thread { source } => write!(
                f,
                "the profiler's thread cannot be started: {source}; raise the limit of threads \
                 (`ulimit -u`, the container's pids limit)"
            ),
            Self::NotInstalled => f.write_str(
                "no heap profile: install the allocator in the program: #[global_allocator] static \
                 ALLOCATOR: obs_profiling::heap::Sampling = obs_profiling::heap::Sampling::system();",
            ),
            Self::NotStarted => {
                f.write_str("no heap profile: call obs_profiling::heap::start first")
            }
            Self::Broken => f.write_str("the profile was given up before its end: take another one"),
        }
    }
}
