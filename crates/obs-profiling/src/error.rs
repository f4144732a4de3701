//! What can go wrong, and what to do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::inside::error as inside;

/// Why a process could not be looked into, or a profile not be written.
pub struct Error(Box<Kind>);

#[derive(Debug)]
pub(crate) enum Kind {
    /// Its files under `/proc` cannot be read.
    Process {
        pid: i32,
        source: io::Error,
    },
    /// It cannot be stopped, or its memory not be read.
    Trace {
        pid: i32,
        source: io::Error,
    },
    Perf {
        pid: i32,
        source: io::Error,
    },
    /// It has ended, and waits for its parent to ask how.
    Ended {
        pid: i32,
    },
    KernelThread {
        pid: i32,
    },
    /// It cannot be started.
    Start {
        program: String,
        source: io::Error,
    },
    Format {
        name: String,
    },
    Write {
        source: io::Error,
    },
    /// A profile of this very process.
    Inside(inside::Kind),
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    /// Whether the system does not let this user look into the process.
    pub fn is_denied(&self) -> bool {
        self.looking().is_some_and(is_denied)
    }

    /// Whether another CPU profile of this process is being taken; trying again later may do.
    pub fn is_under_way(&self) -> bool {
        matches!(&*self.0, Kind::Inside(inside::Kind::UnderWay { .. }))
    }

    /// How long the profile that is being taken will take yet, where that is the reason.
    pub fn time_left(&self) -> Option<Duration> {
        match &*self.0 {
            Kind::Inside(inside::Kind::UnderWay { left }) => *left,
            _ => None,
        }
    }

    /// Whether there is no such process (any more).
    pub fn is_gone(&self) -> bool {
        matches!(&*self.0, Kind::Ended { .. }) || self.looking().is_some_and(is_gone)
    }

    /// What the system answered when the process was looked at.
    fn looking(&self) -> Option<&io::Error> {
        match &*self.0 {
            Kind::Start { .. } | Kind::Write { .. } | Kind::Inside(_) => None,
            kind => kind.source(),
        }
    }
}

impl Kind {
    fn source(&self) -> Option<&io::Error> {
        match self {
            Self::Process { source, .. }
            | Self::Trace { source, .. }
            | Self::Perf { source, .. }
            | Self::Start { source, .. }
            | Self::Write { source } => Some(source),
            Self::Inside(kind) => kind.source(),
            Self::Ended { .. } | Self::KernelThread { .. } | Self::Format { .. } => None,
        }
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<inside::Kind> for Error {
    fn from(kind: inside::Kind) -> Self {
        Self::new(Kind::Inside(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Process { pid, source }
            | Kind::Trace { pid, source }
            | Kind::Perf { pid, source }
                if is_gone(source) =>
            {
                write!(
                    f,
                    "there is no process {pid}: it has ended, or lives in another PID namespace"
                )
            }
            Kind::Process { pid, source } if is_denied(source) => write!(
                f,
                "process {pid} belongs to another user: run as that user, or with CAP_SYS_PTRACE"
            ),
            Kind::Trace { pid, source } if is_denied(source) => match tracer(*pid) {
                Some(tracer) => write!(
                    f,
                    "not allowed to look into process {pid}: process {tracer} traces it, as a debugger \
                     or strace does; end that, or read it as it is (`dump --nonstop`)"
                ),
                None => write!(f, "not allowed to look into process {pid}: {}", remedy_of_trace()),
            },
            Kind::Ended { pid } => write!(
                f,
                "process {pid} has ended: it is a zombie until its parent waits for it, and has no \
                 stacks any more"
            ),
            Kind::KernelThread { pid } => write!(
                f,
                "process {pid} is a thread of the kernel: it has no stacks of a program; \
                 /proc/{pid}/stack shows the kernel's"
            ),
            Kind::Perf { pid, source } if is_denied(source) => write!(
                f,
                "not allowed to sample process {pid}: run as its user with kernel.perf_event_paranoid \
                 at 2 or less, or with CAP_PERFMON; in a container the seccomp profile must allow \
                 perf_event_open"
            ),
            Kind::Perf { pid, source } if is_out_of_descriptors(source) => write!(
                f,
                "process {pid} has more threads than there may be open files here: sampling takes one \
                 for each thread on each processor; raise the limit (`ulimit -n`)"
            ),
            Kind::Perf { pid, source } if source.raw_os_error() == Some(libc::EINVAL) => write!(
                f,
                "process {pid} cannot be sampled so often, or not here: give a rate below \
                 kernel.perf_event_max_sample_rate"
            ),
            Kind::Process { pid, source } => write!(f, "process {pid} cannot be read: {source}"),
            Kind::Trace { pid, source } => write!(f, "process {pid} cannot be traced: {source}"),
            Kind::Perf { pid, source } => write!(f, "process {pid} cannot be sampled: {source}"),
            Kind::Start { program, source } => {
                write!(f, "{program:?} cannot be started: {source}; check its path")
            }
            Kind::Format { name } => write!(
                f,
                "no format is called {name:?}: give svg, pprof, folded, speedscope or firefox, or end \
                 the file's name in .svg, .pb.gz, .folded, .speedscope.json or .firefox.json"
            ),
            Kind::Write { source } => {
                write!(f, "the profile cannot be written: {source}; check the path and the disk")
            }
            Kind::Inside(kind) => kind.fmt(f),
        }
    }
}

/// The process that traces this one: a debugger, or strace.
fn tracer(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    line.trim().parse().ok().filter(|tracer| *tracer != 0)
}

/// Yama's ptrace_scope(5) is the usual reason, and can be read.
fn remedy_of_trace() -> &'static str {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "1" => "kernel.yama.ptrace_scope is 1: run with CAP_SYS_PTRACE, or set it to 0",
        "2" => "kernel.yama.ptrace_scope is 2: run with CAP_SYS_PTRACE",
        "3" => "kernel.yama.ptrace_scope is 3: nothing may be traced until the next boot",
        _ => {
            "run as its user or with CAP_SYS_PTRACE, and end another debugger that is attached; in a \
              container add the capability to the pod"
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source().map(|source| source as _)
    }
}
