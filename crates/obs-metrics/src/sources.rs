//! Collects the application's sources at a scrape, with a deadline.
//!
//! Sources are collected on a thread of their own. One that blocks costs its own samples, from the deadline of
//! that scrape until it returns, and nothing else.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_context::Source;
use obs_guard::Place;

use crate::batch::Batch;

/// How long a scrape waits for the sources by default: Prometheus' own
/// `scrape_timeout`.
pub(crate) const COLLECT_TIMEOUT: Duration = Duration::from_secs(10);

static SOURCE: Place = Place::new("metrics.source");
#[cfg(feature = "prometheus-client")]
static FOREIGN_REGISTRY: Place = Place::new("metrics.prometheus_client");

/// Sources that a scrape went on without, in the whole process.
static LATE_SOURCES: AtomicU64 = AtomicU64::new(0);

pub(crate) fn late_count() -> u64 {
    LATE_SOURCES.load(Relaxed)
}

/// What a scrape collects from.
#[derive(Clone)]
pub(crate) enum ScrapeSource {
    Source(Arc<dyn Source>),
    #[cfg(feature = "prometheus-client")]
    ForeignFamily(Arc<prometheus_client::registry::Registry>),
}

/// The mounted sources, and the thread that collects them.
#[derive(Debug, Default)]
pub(crate) struct Sources(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    mounted: Vec<MountedSource>,
    /// The number of the newest scrape.
    scrape: u64,
    /// The thread that collects for it: an older one ends once its source has returned.
    worker: Option<Worker>,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Worker {
    number: u64,
    /// A forked child has the state, and not the thread.
    process: u32,
}

struct MountedSource {
    source: ScrapeSource,
    /// A second source of this name is not mounted.
    name: Option<&'static str>,
    /// The scrape that its batch was made for.
    answered: u64,
    progress: Progress,
    /// The process that `progress` is about.
    process: u32,
    batch: Batch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    /// A scrape went on without it.
    Late,
}

impl Sources {
    /// Adds a source, unless one of this name is mounted already.
    pub(crate) fn mount(&self, name: Option<&'static str>, source: ScrapeSource) {
        let mut state = self.0.lock();
        if name.is_none() || state.mounted.iter().all(|mounted| mounted.name != name) {
            let (progress, process) = (Progress::Waiting, std::process::id());
            let batch = Batch::default();
            state.mounted.push(MountedSource {
                source,
                name,
                answered: 0,
                progress,
                process,
                batch,
            });
        }
    }

    /// Collects all sources, and calls `handle` with the batch of each that returned before the deadline.
    pub(crate) fn collect(&self, deadline: Instant, mut handle: impl FnMut(&mut Batch)) {
        let mut state = self.0.lock();
        if state.mounted.is_empty() {
            return;
        }
        state.scrape += 1;
        let scrape = state.scrape;
        self.0.ensure_worker(&mut state);
        self.0.changed.notify_all();
        while state.is_awaited(scrape) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.give_up();
                break;
            }
            state = self.0.wait(state, left);
        }
        for mounted in &mut state.mounted {
            match mounted.answered >= scrape {
                true => handle(&mut mounted.batch),
                false => _ = LATE_SOURCES.fetch_add(1, Relaxed),
            }
        }
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts a thread where there is none, or where a source holds the last one.
    fn ensure_worker(self: &Arc<Self>, state: &mut State) {
        let process = std::process::id();
        if state.worker.is_some_and(|worker| worker.process == process) {
            return;
        }
        let worker = Worker { number: state.scrape, process };
        let shared = self.clone();
        let thread = std::thread::Builder::new().name("obs-metrics".into());
        state.worker = match thread.spawn(move || shared.run(worker)) {
            Ok(_) => Some(worker),
            Err(_) => None, // The next scrape tries again; this one goes on without its sources.
        };
        // A source that was running in the parent process is not running in this one.
        for mounted in state.mounted.iter_mut().filter(|mounted| mounted.process != process) {
            (mounted.progress, mounted.process) = (Progress::Waiting, process);
        }
    }

    fn run(&self, worker: Worker) {
        let mut state = self.lock();
        while !state.is_closed && state.worker == Some(worker) {
            let Some(at) = state.next_waiting() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let scrape = state.scrape;
            let mounted = &mut state.mounted[at];
            mounted.progress = Progress::Running;
            let source = mounted.source.clone();
            let mut batch = std::mem::take(&mut mounted.batch);
            drop(state);
            batch.clear();
            source.collect_into(&mut batch);
            state = self.lock();
            // Sources are never unmounted, so the index is still right.
            let mounted = &mut state.mounted[at];
            mounted.batch = batch;
            mounted.answered = scrape;
            mounted.progress = Progress::Waiting;
            self.changed.notify_all();
        }
    }
}

impl State {
    /// A source that the newest scrape has not started yet.
    fn next_waiting(&self) -> Option<usize> {
        self.mounted.iter().position(|mounted| {
            mounted.progress == Progress::Waiting && mounted.answered < self.scrape
        })
    }

    /// Whether a source may still return for this scrape.
    fn is_awaited(&self, scrape: u64) -> bool {
        self.worker.is_some()
            && self
                .mounted
                .iter()
                .any(|mounted| mounted.progress != Progress::Late && mounted.answered < scrape)
    }

    /// Abandons the running source and its thread.
    fn give_up(&mut self) {
        for mounted in &mut self.mounted {
            if mounted.progress == Progress::Running {
                mounted.progress = Progress::Late;
                self.worker = None;
            }
        }
    }
}

impl ScrapeSource {
    fn collect_into(&self, batch: &mut Batch) {
        match self {
            Self::Source(source) => {
                // The samples that it gave before a panic are valid.
                let _panicked_and_counted =
                    SOURCE.call(|| source.collect(&mut |sample| batch.push(&sample)));
            }
            #[cfg(feature = "prometheus-client")]
            Self::ForeignFamily(registry) => {
                let encode = prometheus_client::encoding::text::encode_registry;
                let encoded = FOREIGN_REGISTRY.call(|| encode(&mut batch.text, registry));
                batch.is_foreign = true;
                batch.is_truncated = !matches!(encoded, Some(Ok(())));
            }
        }
    }
}

impl fmt::Debug for MountedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("progress", &self.progress).finish_non_exhaustive()
    }
}
