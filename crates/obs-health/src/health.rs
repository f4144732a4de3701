//! The health of one service: its checks, its start-up, its state.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::check::Check;
use crate::error::{Error, Kind, checked_name};
use crate::server::ServerCounts;
use crate::status::{Status, Verdict};
use crate::telemetry::HealthSource;
use crate::vital::Vital;

/// What a service can do at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// A start-up latch is open, or a critical check has not answered yet.
    Starting,
    /// It can serve.
    Ready,
    /// It can serve; an informational check is down.
    Degraded,
    /// A critical check is down, or the runtime is wedged.
    NotReady,
    /// It is shutting down and finishes what it has.
    Draining,
    /// It has shut down.
    Stopped,
}

impl State {
    /// `starting`, `ready`, `degraded`, `not_ready`, `draining` or `stopped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Whether traffic may be sent: [`State::Ready`] or [`State::Degraded`].
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// The health of one service. A clone is the same health.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    entries: Mutex<Vec<Arc<Entry>>>,
    latches: Mutex<Vec<Arc<LatchState>>>,
    draining: AtomicBool,
    stopped: AtomicBool,
    vital: Vital,
    server: ServerCounts,
    /// The state last told to the log.
    told: AtomicU8,
}

/// One check with what is known of it.
pub(crate) struct Entry {
    pub(crate) check: Check,
    pub(crate) status: Mutex<Status>,
    pub(crate) scheduled: AtomicBool,
}

struct LatchState {
    name: String,
    done: AtomicBool,
}

impl Health {
    /// A service without checks: ready from the start.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                entries: Mutex::default(),
                latches: Mutex::default(),
                draining: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
                vital: Vital::default(),
                server: ServerCounts::default(),
                told: AtomicU8::new(State::Starting as u8),
            }),
        }
    }

    /// Adds a check. It first runs when [`Health::start`] is called, or at once if it was already.
    ///
    /// # Errors
    ///
    /// When the name is not 1 to 64 of `[a-z0-9_.-]`, or is taken.
    pub fn add(&self, check: Check) -> Result<(), Error> {
        checked_name("check", &check.name)?;
        let mut entries = locked(&self.inner.entries);
        if entries.iter().any(|entry| entry.check.name == check.name) {
            return Err(Error::new(Kind::Taken { what: "check", name: check.name }));
        }
        entries.push(Arc::new(Entry {
            check,
            status: Mutex::new(Status::pending()),
            scheduled: AtomicBool::new(false),
        }));
        Ok(())
    }

    /// Keeps the service `starting` until [`StartupLatch::done`] is called.
    ///
    /// # Errors
    ///
    /// As [`Health::add`].
    pub fn startup_latch(&self, name: impl Into<String>) -> Result<StartupLatch, Error> {
        let name = name.into();
        checked_name("start-up latch", &name)?;
        let mut latches = locked(&self.inner.latches);
        if latches.iter().any(|latch| latch.name == name) {
            return Err(Error::new(Kind::Taken { what: "start-up latch", name }));
        }
        let latch = Arc::new(LatchState { name, done: AtomicBool::new(false) });
        latches.push(Arc::clone(&latch));
        Ok(StartupLatch { latch, health: self.clone() })
    }

    /// Runs every check in the background of the current tokio runtime, each at its own interval,
    /// until the service has stopped. Calling it again starts what was added since.
    ///
    /// Outside a tokio runtime nothing is started, one log line says so, and the checks go stale:
    /// a probe never stays green by mistake.
    pub fn start(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::error!("health checks need a tokio runtime: call Health::start inside one");
            return;
        };
        for entry in self.entries() {
            if !entry.scheduled.swap(true, Ordering::AcqRel) {
                runtime.spawn(crate::schedule::run(entry, self.clone()));
            }
        }
        self.tell_transition();
    }

    /// The state at this moment, computed from what is known: no I/O.
    pub fn state(&self) -> State {
        if self.inner.stopped.load(Ordering::Acquire) {
            return State::Stopped;
        }
        if self.inner.draining.load(Ordering::Acquire) {
            return State::Draining;
        }
        if self.inner.vital.is_wedged() {
            return State::NotReady;
        }
        let mut state = match self.is_started() {
            true => State::Ready,
            false => State::Starting,
        };
        for entry in self.entries() {
            state = match (entry.verdict(), entry.check.critical) {
                (Verdict::Up, _) | (Verdict::Pending, false) => state,
                (Verdict::Down(_), true) => return State::NotReady,
                (Verdict::Pending, true) => State::Starting,
                (Verdict::Down(_), false) if state == State::Starting => state,
                (Verdict::Down(_), false) => State::Degraded,
            };
        }
        state
    }

    /// Answers `draining` from now on. Shutdown calls it.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Release);
        self.tell_transition();
    }

    /// Answers `stopped` from now on and ends the background checks.
    pub fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Release);
        self.tell_transition();
    }

    /// `health_ready`, `health_check_status` and the others, for a metrics registry.
    pub fn source(&self) -> Arc<dyn obs_context::Source> {
        Arc::new(HealthSource(self.clone()))
    }

    /// What the watchdog knows of the runtime.
    pub(crate) fn vital(&self) -> &Vital {
        &self.inner.vital
    }

    pub(crate) fn server_counts(&self) -> &ServerCounts {
        &self.inner.server
    }

    pub(crate) fn is_started(&self) -> bool {
        locked(&self.inner.latches).iter().all(|latch| latch.done.load(Ordering::Acquire))
    }

    pub(crate) fn latches(&self) -> Vec<(String, bool)> {
        let latches = locked(&self.inner.latches);
        latches
            .iter()
            .map(|latch| (latch.name.clone(), latch.done.load(Ordering::Acquire)))
            .collect()
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        locked(&self.inner.entries).clone()
    }

    /// One log line when the state is another than the one last told.
    pub(crate) fn tell_transition(&self) {
        let state = self.state();
        let before = self.inner.told.swap(state as u8, Ordering::AcqRel);
        if before == state as u8 {
            return;
        }
        match state {
            State::NotReady => tracing::warn!(state = state.as_str(), "health changed"),
            _ => tracing::info!(state = state.as_str(), "health changed"),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Entry {
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        locked(&self.status)
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.status().verdict(self.check.stale_after())
    }
}

/// Keeps a service `starting`: made by [`Health::startup_latch`].
#[derive(Clone)]
#[must_use = "the service stays `starting` until `done` is called"]
pub struct StartupLatch {
    latch: Arc<LatchState>,
    health: Health,
}

impl StartupLatch {
    /// What this latch stands for has happened. Calling it again changes nothing.
    pub fn done(&self) {
        self.latch.done.store(true, Ordering::Release);
        self.health.tell_transition();
    }
}

impl fmt::Debug for StartupLatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartupLatch({})", self.latch.name)
    }
}

/// These locks are held for copies only, never across I/O or user code.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
