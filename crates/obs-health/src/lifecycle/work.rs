//! What is no [`crate::Server`]: servers of other crates, and workers without one.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Instant;

use obs_guard::Place;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::report::{ShutdownReport, Stage, StageReport};
use crate::lifecycle::{Lifecycle, stages};

static WORK: Place = Place::new("health.work");

/// The end of a server or a worker, and of the shutdown after it.
#[derive(Clone, Debug)]
pub struct Finished<T> {
    /// What it returned; `None` where it panicked or was still running at its deadline.
    pub output: Option<T>,
    /// What the shutdown did, and what it lost.
    pub report: ShutdownReport,
}

impl Lifecycle {
    /// Runs a server that is not [`crate::Server`], such as actix-web's or tonic's own, and the whole shutdown after
    /// it. `serve` is given the token that says when the listener must close: after readiness has said no for
    /// [`Deadlines::propagation`](super::Deadlines::propagation). From then on the server has the requests' deadline to
    /// end; requests that are still under way then count as lost (those that [`InFlight`](super::InFlight) knows of,
    /// or else the server as one).
    ///
    /// A server that ends by itself, or panics, starts the shutdown.
    pub async fn run_server<Server: Future>(
        self,
        serve: impl FnOnce(CancellationToken) -> Server,
    ) -> Finished<Server::Output> {
        let serving = self.serving();
        let closes = self.listener_closes();
        let mut server = pin!(serve(closes.clone()));
        let output = tokio::select! {
            biased;
            output = guarded(server.as_mut()) => Some(output),
            () = closes.cancelled() => None,
        };
        let output = match output {
            Some(output) => {
                self.end_by_itself(output.is_none()).await;
                output
            }
            None => self.end_server(server).await,
        };
        let report = stages::finish(&self.shared, serving, None).await;
        Finished { output, report }
    }

    /// Runs work that takes no connections, such as a consumer of a queue, and the whole shutdown after it. No load
    /// balancer is waited for: [`Lifecycle::draining`] and [`Lifecycle::tasks_end`] are cancelled with the signal, and
    /// from then on the work has [`Deadlines::tasks`](super::Deadlines::tasks) to end.
    ///
    /// Work that ends by itself, or panics, starts the shutdown.
    pub async fn run_worker<Work: Future>(self, work: Work) -> Finished<Work::Output> {
        let serving = self.serving();
        let starts = self.shutdown_starts();
        let mut under_way = Some(self.shared.tasks.token());
        let mut work = pin!(work);
        let ended = tokio::select! {
            biased;
            output = guarded(work.as_mut()) => Some(output),
            () = starts.cancelled() => None,
        };
        let is_over = ended.is_some();
        let mut output = match ended {
            Some(output) => {
                under_way = None;
                self.end_by_itself(output.is_none()).await;
                output
            }
            None => None,
        };
        // The stages go on beside work that is past its deadline.
        let mut stages = pin!(stages::finish(&self.shared, serving, None));
        let report = match is_over {
            true => stages.await,
            false => tokio::select! {
                biased;
                ended = guarded(work) => {
                    drop(under_way.take());
                    output = ended;
                    stages.await
                }
                report = &mut stages => report,
            },
        };
        Finished { output, report }
    }

    /// The rest of a server whose listener is closed.
    async fn end_server<Server: Future>(&self, server: Pin<&mut Server>) -> Option<Server::Output> {
        let started = Instant::now();
        let shared = &self.shared;
        shared.progress.begin(Stage::Requests);
        let under_way = shared.in_flight.requests() as u64;
        let ended = stages::within_stage(shared, Stage::Requests, guarded(server)).await;
        let left = shared.in_flight.requests() as u64;
        let lost = if ended.is_some() { 0 } else { left.max(1) };
        let finished = under_way.saturating_sub(lost);
        let report = StageReport::plain(Stage::Requests, started.elapsed());
        shared.progress.end(StageReport { finished, lost, ..report });
        ended.flatten()
    }

    /// Nobody sends any more to what has ended: nothing is waited for.
    async fn end_by_itself(&self, panicked: bool) {
        match panicked {
            true => tracing::error!("what this process runs panicked: shutting down"),
            false => tracing::info!("what this process runs has ended: shutting down"),
        }
        self.shared.skip_propagation();
        if *self.shared.shutdown_requests.borrow() == 0 {
            self.shared.request_shutdown();
        }
        self.shared.listener_closes.cancelled().await;
    }
}

/// `None` where it panics, which is counted.
async fn guarded<Work: Future>(mut work: Pin<&mut Work>) -> Option<Work::Output> {
    poll_fn(|context| WORK.poll(work.as_mut(), context)).await
}
