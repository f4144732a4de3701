//! The shutdown: ten stages, a deadline for each, one report at the end.
//!
//! | stage | what happens | what is lost at its deadline |
//! | --- | --- | --- |
//! | drain | `/readyz` answers 503, responses carry `Connection: close` | |
//! | propagate | still accepting, while load balancers learn of it | |
//! | listener | the application's listener closes | |
//! | requests | what was accepted is answered | requests, aborted and counted |
//! | tasks | background tasks end | tasks, aborted and counted |
//! | resources | pools and clients close, the last registered first | closers |
//! | traces, metrics | buffers are sent | spans, metric points |
//! | admin | the admin listener closes | |
//! | logs | the report is written and the log's buffer with it | lines |
//!
//! A second signal skips to the flushes, with one second for each; a third exits at once. No stage
//! outlives the grace period: where the deadlines add up to more, the earlier stages get less.
//!
//! Several servers on one lifecycle have one shutdown: the tasks' stage waits for the requests of all.

mod deadlines;
pub(crate) mod in_flight;
pub(crate) mod open;
mod progress;
mod report;
mod servers;
mod shared;
mod signals;
mod stages;
pub(crate) mod stop;
mod work;

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use obs_guard::Place;
use tokio_util::sync::CancellationToken;

use crate::admin::AdminServer;
use crate::error::Error;
use crate::health::Health;
pub use deadlines::Deadlines;
pub use in_flight::{InFlight, InFlightExchange};
use open::OpenConnections;
pub use report::{FlushStage, Flushed, ShutdownReport, Stage, StageReport};
use servers::ServingGuard;
use shared::{Closer, Plan, Shared};
pub use work::Finished;

static TASK: Place = Place::new("health.background_task");

/// Coordinates one shutdown. A clone is the same lifecycle.
#[derive(Clone)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

impl Lifecycle {
    /// A lifecycle for this service, with the given deadlines. One warning is logged, once the service is
    /// up, when they add up to more than the grace period, past which Kubernetes kills the process.
    pub fn new(health: Health, deadlines: Deadlines) -> Self {
        Self { shared: Arc::new(Shared::new(health, deadlines)) }
    }

    /// Starts the shutdown, as SIGTERM does. A call that comes a second or more after the last one, or after a signal,
    /// goes at once to the flushes. Before that it is the same request, since several parts of an application often
    /// notice one failure, or one signal.
    ///
    /// Where [`Lifecycle::watch_signals`] was called, the process is gone by the grace period from this
    /// call, too, with exit code 1, when the shutdown hangs or has left something behind. After one that
    /// is clean the application may go on without the service.
    pub fn shut_down(&self) {
        self.shared.request_shutdown();
    }

    /// Shuts down on SIGTERM and SIGINT, from now on: a signal that comes before anything is served is
    /// remembered, and the service shuts down as soon as it is up.
    ///
    /// The second signal hurries, the third exits the process at once. The same signal again within one
    /// second counts as the same request, since a supervisor and a shell often pass on both.
    ///
    /// After a signal the process ends by [`Deadlines::grace_period`]: what hangs past it, in the
    /// shutdown or after it, is reported and ended with the process (exit code 143 or 130). When nothing
    /// is served within 5 s of the signal, or a second one comes before, the process exits, too.
    ///
    /// Watched on a thread of its own, which needs no runtime. Calling it again changes nothing.
    ///
    /// # Errors
    ///
    /// When no thread can be started or no signal handler installed.
    pub fn watch_signals(&self) -> Result<(), Error> {
        signals::watch(&self.shared)
    }

    /// Runs a background task that shutdown waits for. It should end when [`Lifecycle::tasks_end`] is
    /// cancelled; at the stage's deadline it is left behind and counted.
    ///
    /// One that panics is not there any more, which only a restart mends: `/healthz` answers 503 from then on, it is
    /// counted as `health_tasks_panicked_total`, and the shutdown's report counts it as lost.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let health = self.shared.health.clone();
        self.shared.tasks.spawn(async move {
            let mut task = pin!(task);
            let ended = poll_fn(|context| TASK.poll(task.as_mut(), context)).await;
            if ended.is_none() {
                health.heartbeat().count_dead_task();
                tracing::error!("a background task panicked: /healthz fails until a restart");
            }
        });
    }

    /// Cancelled when the shutdown begins: when websockets and other long answers should come to their
    /// end. Those that do not are aborted at the requests' deadline.
    pub fn draining(&self) -> CancellationToken {
        self.shared.draining.clone()
    }

    /// Cancelled when background tasks should end: after the last request.
    pub fn tasks_end(&self) -> CancellationToken {
        self.shared.tasks_end.clone()
    }

    /// Closes a pool or a client at the end; the last registered is closed first.
    pub fn on_close<Close, Closed>(&self, name: impl Into<String>, close: Close)
    where
        Close: FnOnce() -> Closed + Send + 'static,
        Closed: Future<Output = ()> + Send + 'static,
    {
        let closer: Closer = Box::new(move || Box::pin(close()));
        self.plan(|plan| plan.closers.push((name.into(), closer)));
    }

    /// Sends what is buffered in the stage of this signal. `flush` gets its timeout, may block for that
    /// long, and returns what it delivered and lost.
    ///
    /// ```compile_fail,E0308
    /// # use obs_health::{Health, lifecycle::*};
    /// # let lifecycle = Lifecycle::new(Health::new(), Deadlines::development());
    /// lifecycle.on_flush(Stage::Tasks, |_| Flushed::default()); // this stage flushes nothing
    /// ```
    pub fn on_flush(
        &self,
        stage: FlushStage,
        flush: impl FnOnce(Duration) -> Flushed + Send + 'static,
    ) {
        self.plan(|plan| plan.flushes.push((stage, Box::new(flush))));
    }

    /// Keeps the admin server until its stage, so that probes are answered during the shutdown.
    pub fn keep_admin(&self, admin: AdminServer) {
        self.plan(|plan| plan.admin = Some(admin));
    }

    /// Waits for the shutdown and goes through its stages, once with everything else that is served on this
    /// lifecycle. For what runs beside it: [`Lifecycle::run_server`] and [`Lifecycle::run_worker`] know when their work
    /// has ended.
    pub async fn run(self) -> ShutdownReport {
        let serving = self.serving();
        self.listener_closes().cancelled().await;
        stages::finish(&self.shared, serving, None).await
    }

    /// Cancelled when the listener must close: after the time that load balancers need.
    pub(crate) fn listener_closes(&self) -> CancellationToken {
        self.shared.has_listener.store(true, Ordering::Release);
        self.shutdown_starts()
    }

    /// Cancelled when the drain is over. The first call starts its clock.
    fn shutdown_starts(&self) -> CancellationToken {
        if !self.shared.is_served.swap(true, Ordering::AcqRel) {
            self.shared.deadlines.warn_if_too_long();
            let shared = Arc::clone(&self.shared);
            // The request came before it was up: no load balancer knows of it.
            let was_up = *shared.shutdown_requests.borrow() == 0;
            tokio::spawn(async move {
                stages::drain(&shared, was_up).await;
                shared.listener_closes.cancel();
            });
        }
        self.shared.listener_closes.clone()
    }

    pub(crate) fn health(&self) -> &Health {
        &self.shared.health
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        self.shared.in_flight.clone()
    }

    /// The stages after the listener wait until every guard is dropped.
    pub(crate) fn serving(&self) -> ServingGuard {
        self.shared.servers.begin()
    }

    pub(crate) async fn finish(
        self,
        serving: ServingGuard,
        open: OpenConnections,
    ) -> ShutdownReport {
        stages::finish(&self.shared, serving, Some(open)).await
    }

    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("deadlines", &self.shared.deadlines)
            .finish_non_exhaustive()
    }
}
