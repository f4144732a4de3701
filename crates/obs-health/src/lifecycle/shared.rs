//! The state of one lifecycle, shared by its servers, its stages and the thread that watches signals.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::AdminServer;
use crate::health::Health;
use crate::lifecycle::deadlines::Deadlines;
use crate::lifecycle::in_flight::InFlight;
use crate::lifecycle::progress::Progress;
use crate::lifecycle::report::{FlushStage, Flushed};
use crate::lifecycle::servers::Servers;

/// A request within this time of another one is the same request: a supervisor and a shell pass on both of a pair of
/// signals, a handler of the application's calls what a signal has begun.
pub(crate) const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) type Closer = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;
pub(crate) type Flush = Box<dyn FnOnce(Duration) -> Flushed + Send>;

pub(crate) struct Shared {
    pub(crate) health: Health,
    pub(crate) deadlines: Deadlines,
    /// The number of shutdown requests; from 2 on only the flushes run.
    pub(crate) shutdown_requests: watch::Sender<u32>,
    pub(crate) requested_at: OnceLock<Instant>,
    /// When the last request was counted.
    last_counted: Mutex<Option<Instant>>,
    pub(crate) signals_watched: AtomicBool,
    /// Whether a server or [`run`](super::Lifecycle::run) will run the stages.
    pub(crate) is_served: AtomicBool,
    /// Whether anything accepts connections, of which load balancers must learn that it closes.
    pub(crate) has_listener: AtomicBool,
    pub(crate) servers: Servers,
    pub(crate) progress: Arc<Progress>,
    pub(crate) draining: CancellationToken,
    pub(crate) listener_closes: CancellationToken,
    pub(crate) tasks_end: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) in_flight: InFlight,
    pub(crate) plan: Mutex<Plan>,
}

/// What the stages do; they take it out.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) closers: Vec<(String, Closer)>,
    pub(crate) flushes: Vec<(FlushStage, Flush)>,
    pub(crate) admin: Option<AdminServer>,
}

impl Shared {
    pub(crate) fn new(health: Health, deadlines: Deadlines) -> Self {
        Self {
            health,
            deadlines,
            shutdown_requests: watch::Sender::new(0),
            requested_at: OnceLock::new(),
            last_counted: Mutex::default(),
            signals_watched: AtomicBool::new(false),
            is_served: AtomicBool::new(false),
            has_listener: AtomicBool::new(false),
            servers: Servers::default(),
            progress: Arc::default(),
            draining: CancellationToken::new(),
            listener_closes: CancellationToken::new(),
            tasks_end: CancellationToken::new(),
            tasks: TaskTracker::new(),
            in_flight: InFlight::default(),
            plan: Mutex::default(),
        }
    }

    /// One more request, unless another one was counted a moment ago: what fails, or is told to end, is often noticed
    /// at several places.
    pub(crate) fn request_shutdown(&self) {
        let now = Instant::now();
        let mut last = self.last_counted.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.saturating_duration_since(last) < REPEAT_INTERVAL) {
            return;
        }
        *last = Some(now);
        drop(last);
        self.count_request();
    }

    /// A request that is surely another one.
    pub(crate) fn request_again(&self) {
        *self.last_counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.count_request();
    }

    fn count_request(&self) {
        let _is_set_already = self.requested_at.set(Instant::now());
        self.shutdown_requests.send_modify(|requests| *requests = requests.saturating_add(1));
        // Now, and not only when the stages run: a loop may wait for it before that.
        self.in_flight.drain();
        self.draining.cancel();
    }

    pub(crate) fn skip_propagation(&self) {
        self.has_listener.store(false, Ordering::Release);
    }

    /// Logs what was not finished, which is lost with the process.
    pub(crate) fn report_unfinished(&self) {
        let (requests, tasks) = (self.in_flight.requests(), self.tasks.len());
        let (stage, stages) = self.progress.current();
        match stage {
            Some(stage) => tracing::error!(
                stage, %stages, requests, tasks,
                "the shutdown was not over by its grace period: exit"
            ),
            None => tracing::error!(
                %stages, requests, tasks,
                "the process did not end by its grace period, after its shutdown: exit"
            ),
        }
    }
}
