//! Asking the application's sources at a scrape, with a deadline.
//!
//! A source is asked on a thread of its own: one that blocks costs its own samples, from the deadline of
//! that scrape until it answers, and nothing else.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_context::Source;
use obs_guard::Place;

use crate::batch::Batch;

/// How long a scrape waits for the sources where nothing else is said: Prometheus' own
/// `scrape_timeout`.
pub(crate) const COLLECT_TIMEOUT: Duration = Duration::from_secs(10);

static SOURCE: Place = Place::new("metrics.source");
#[cfg(feature = "prometheus-client")]
static FOREIGN: Place = Place::new("metrics.prometheus_client");

/// Sources that a scrape went on without, in the whole process.
static LATE: AtomicU64 = AtomicU64::new(0);

pub(crate) fn late() -> u64 {
    LATE.load(Relaxed)
}

/// What is asked at a scrape.
#[derive(Clone)]
pub(crate) enum Asked {
    Source(Arc<dyn Source>),
    #[cfg(feature = "prometheus-client")]
    Foreign(Arc<prometheus_client::registry::Registry>),
}

/// The mounted sources, and the thread that asks them.
#[derive(Debug, Default)]
pub(crate) struct Sources(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    mounted: Vec<Mounted>,
    /// The number of the newest scrape.
    scrape: u64,
    /// The thread that works for it: an older one ends once its source has answered.
    worker: Option<Worker>,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Worker {
    number: u64,
    /// A forked child has the state, and not the thread.
    process: u32,
}

struct Mounted {
    asked: Asked,
    /// What must not be mounted twice.
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
    /// Adds what is to be asked, unless something of this name is there already.
    pub(crate) fn mount(&self, name: Option<&'static str>, asked: Asked) {
        let mut state = self.0.lock();
        if name.is_none() || state.mounted.iter().all(|mounted| mounted.name != name) {
            let (progress, process) = (Progress::Waiting, std::process::id());
            let batch = Batch::default();
            state.mounted.push(Mounted { asked, name, answered: 0, progress, process, batch });
        }
    }

    /// Asks all sources, and calls `each` with what those said that answered before the deadline.
    pub(crate) fn collect(&self, deadline: Instant, mut each: impl FnMut(&mut Batch)) {
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
                true => each(&mut mounted.batch),
                false => _ = LATE.fetch_add(1, Relaxed),
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
        // What ran in the parent of this process runs here no more.
        for mounted in state.mounted.iter_mut().filter(|mounted| mounted.process != process) {
            (mounted.progress, mounted.process) = (Progress::Waiting, process);
        }
    }

    fn run(&self, worker: Worker) {
        let mut state = self.lock();
        while !state.is_closed && state.worker == Some(worker) {
            let Some(at) = state.next() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let scrape = state.scrape;
            let mounted = &mut state.mounted[at];
            mounted.progress = Progress::Running;
            let asked = mounted.asked.clone();
            let mut batch = std::mem::take(&mut mounted.batch);
            drop(state);
            batch.clear();
            asked.ask(&mut batch);
            state = self.lock();
            // Sources are never unmounted, so it still stands there.
            let mounted = &mut state.mounted[at];
            mounted.batch = batch;
            mounted.answered = scrape;
            mounted.progress = Progress::Waiting;
            self.changed.notify_all();
        }
    }
}

impl State {
    /// A source that the newest scrape has not asked yet.
    fn next(&self) -> Option<usize> {
        self.mounted.iter().position(|mounted| {
            mounted.progress == Progress::Waiting && mounted.answered < self.scrape
        })
    }

    /// Whether a source may still answer this scrape.
    fn is_awaited(&self, scrape: u64) -> bool {
        self.worker.is_some()
            && self
                .mounted
                .iter()
                .any(|mounted| mounted.progress != Progress::Late && mounted.answered < scrape)
    }

    /// Leaves the source that is being asked, with its thread, to itself.
    fn give_up(&mut self) {
        for mounted in &mut self.mounted {
            if mounted.progress == Progress::Running {
                mounted.progress = Progress::Late;
                self.worker = None;
            }
        }
    }
}

impl Asked {
    fn ask(&self, batch: &mut Batch) {
        match self {
            Self::Source(source) => {
                // What it gave before a panic is as good as ever.
                let _panicked_and_counted =
                    SOURCE.call(|| source.collect(&mut |sample| batch.push(&sample)));
            }
            #[cfg(feature = "prometheus-client")]
            Self::Foreign(registry) => {
                let encode = prometheus_client::encoding::text::encode_registry;
                let encoded = FOREIGN.call(|| encode(&mut batch.text, registry));
                batch.is_foreign = true;
                batch.is_cut = !matches!(encoded, Some(Ok(())));
            }
        }
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("progress", &self.progress).finish_non_exhaustive()
    }
}
