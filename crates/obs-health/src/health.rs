//! The health of one service: its checks, its start-up latches and its state.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::check::Check;
use crate::counts::{AdminCounts, ServerCounts};
use crate::entry::Entry;
use crate::error::{Error, Kind, checked_name};
use crate::heartbeat::HeartbeatState;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::status::Verdict;
use crate::transitions::Transitions;

/// The health of one service. A clone is the same health.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    entries: Mutex<Vec<Arc<Entry>>>,
    latches: Mutex<Vec<Arc<LatchState>>>,
    /// The checks' names of each group.
    groups: Mutex<BTreeMap<String, Vec<String>>>,
    /// Where the checks run.
    runtime: OnceLock<Handle>,
    draining: AtomicBool,
    stopped: AtomicBool,
    heartbeat: HeartbeatState,
    server: ServerCounts,
    admin: AdminCounts,
    /// The last plain answer of `/readyz` with what it was rendered from.
    readiness_cache: Mutex<Option<(Snapshot, Bytes)>>,
    /// Sent to at every transition.
    changes: watch::Sender<()>,
    transitions: Transitions,
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
                groups: Mutex::default(),
                runtime: OnceLock::new(),
                draining: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
                heartbeat: HeartbeatState::default(),
                server: ServerCounts::default(),
                admin: AdminCounts::default(),
                readiness_cache: Mutex::default(),
                changes: watch::Sender::new(()),
                transitions: Transitions::new(State::Starting),
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
        entries.push(Arc::new(Entry::new(check)));
        Ok(())
    }

    /// Makes `/readyz?group=name` answer for these checks alone.
    ///
    /// # Errors
    ///
    /// When one of the checks does not exist (yet), or the group's name is unusable or taken.
    pub fn group<Name: AsRef<str>>(
        &self,
        name: impl Into<String>,
        checks: impl IntoIterator<Item = Name>,
    ) -> Result<(), Error> {
        let name = name.into();
        checked_name("group", &name)?;
        let mut names = Vec::new();
        for check in checks {
            names.push(self.entry(check.as_ref())?.check.name.clone());
        }
        let mut groups = locked(&self.inner.groups);
        if groups.contains_key(&name) {
            return Err(Error::new(Kind::Taken { what: "group", name }));
        }
        groups.insert(name, names);
        Ok(())
    }

    /// Takes these checks out: they are shown as `disabled`, do not run and do not count. For an
    /// operator who must keep a service in traffic although a check is wrong.
    ///
    /// # Errors
    ///
    /// When one of them does not exist; then none is disabled.
    pub fn disable<Name: AsRef<str>>(
        &self,
        checks: impl IntoIterator<Item = Name>,
    ) -> Result<(), Error> {
        let entries: Result<Vec<_>, _> =
            checks.into_iter().map(|name| self.entry(name.as_ref())).collect();
        for entry in entries? {
            tracing::warn!(check = entry.check.name, "health check disabled");
            entry.disable();
        }
        self.publish_state_change();
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

    /// The state at this moment, computed from what is known: no I/O.
    pub fn state(&self) -> State {
        self.state_of_checks(&self.entries())
    }

    /// The state with these checks alone.
    pub(crate) fn state_of_checks(&self, entries: &[Arc<Entry>]) -> State {
        self.state_of_verdicts(entries.iter().map(|entry| (&**entry, entry.verdict())))
    }

    /// The state with these checks and verdicts alone.
    pub(crate) fn state_of_verdicts<'a>(
        &self,
        checks: impl Iterator<Item = (&'a Entry, Verdict)>,
    ) -> State {
        if self.inner.stopped.load(Ordering::Acquire) {
            return State::Stopped;
        }
        if self.inner.draining.load(Ordering::Acquire) {
            return State::Draining;
        }
        if self.inner.heartbeat.is_wedged() {
            return State::NotReady;
        }
        let mut state = match self.is_started() {
            true => State::Ready,
            false => State::Starting,
        };
        for (entry, verdict) in checks {
            state = match (verdict, entry.check.critical) {
                (Verdict::Up | Verdict::Disabled, _) | (Verdict::Pending, false) => state,
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
        self.publish_state_change();
    }

    /// Answers `stopped` from now on and ends the background checks.
    pub fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Release);
        self.publish_state_change();
    }

    /// What the watchdog reports of the runtime.
    pub(crate) fn heartbeat(&self) -> &HeartbeatState {
        &self.inner.heartbeat
    }

    pub(crate) fn server_counts(&self) -> &ServerCounts {
        &self.inner.server
    }

    pub(crate) fn admin_counts(&self) -> &AdminCounts {
        &self.inner.admin
    }

    pub(crate) fn readiness_cache(&self) -> MutexGuard<'_, Option<(Snapshot, Bytes)>> {
        locked(&self.inner.readiness_cache)
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

    /// The on-demand checks of a group, or of all.
    pub(crate) fn on_demand(&self, group: Option<&str>) -> Vec<Arc<Entry>> {
        let has_any =
            |entries: &[Arc<Entry>]| entries.iter().any(|entry| entry.check.time_to_live.is_some());
        if !has_any(&locked(&self.inner.entries)) {
            return Vec::new();
        }
        self.entries_of(group).unwrap_or_default()
    }

    pub(crate) fn snapshot(&self, entries: Vec<Arc<Entry>>) -> Snapshot {
        let with_verdict = |entry: Arc<Entry>| {
            let verdict = entry.verdict();
            (entry, verdict)
        };
        let checks: Vec<_> = entries.into_iter().map(with_verdict).collect();
        let state =
            self.state_of_verdicts(checks.iter().map(|(entry, verdict)| (&**entry, *verdict)));
        Snapshot { state, checks }
    }

    /// Whether a snapshot of all checks taken now would be equal to this one. Allocates nothing. Checks
    /// are never removed: an equal number means the same checks.
    pub(crate) fn is_unchanged(&self, Snapshot { state, checks }: &Snapshot) -> bool {
        let now = Instant::now();
        locked(&self.inner.entries).len() == checks.len()
            && checks.iter().all(|(entry, verdict)| entry.verdict_at(now) == *verdict)
            && self.state_of_verdicts(checks.iter().map(|(entry, verdict)| (&**entry, *verdict)))
                == *state
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        locked(&self.inner.entries).clone()
    }

    /// The checks of a group, or all of them; `None` when there is no such group.
    pub(crate) fn entries_of(&self, group: Option<&str>) -> Option<Vec<Arc<Entry>>> {
        let mut entries = self.entries();
        if let Some(group) = group {
            let groups = locked(&self.inner.groups);
            let names = groups.get(group)?;
            entries.retain(|entry| names.contains(&entry.check.name));
        }
        Some(entries)
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, Error> {
        let entries = self.entries();
        let found = entries.iter().find(|entry| entry.check.name == name);
        found.cloned().ok_or_else(|| {
            let known = entries.iter().map(|entry| entry.check.name.clone()).collect();
            Error::new(Kind::Unknown { name: name.chars().take(80).collect(), known })
        })
    }

    #[cfg(feature = "grpc")]
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.inner.changes.subscribe()
    }

    /// Checks run on the first runtime that is set.
    pub(crate) fn set_runtime(&self, runtime: Handle) {
        let _is_set_already = self.inner.runtime.set(runtime);
    }

    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.inner.runtime.get()
    }

    /// From now on readiness is decided, and the pools that a check would ask are about to close.
    pub(crate) fn is_ending(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire) || self.inner.stopped.load(Ordering::Acquire)
    }

    /// Logs a change of the state and wakes those that wait for one.
    pub(crate) fn publish_state_change(&self) {
        let transitions = &self.inner.transitions;
        if transitions.publish(|| self.state()) {
            self.inner.changes.send_replace(());
        }
        transitions.log(|state| match state {
            State::NotReady => tracing::warn!(state = state.as_str(), "health changed"),
            _ => tracing::info!(state = state.as_str(), "health changed"),
        });
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
        self.health.publish_state_change();
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
