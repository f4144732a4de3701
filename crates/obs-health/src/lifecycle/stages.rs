//! The stages, one function each, read in their order.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use obs_guard::Place;
use tokio::sync::oneshot;

use crate::lifecycle::open::OpenConnections;
use crate::lifecycle::report::{FlushStage, ShutdownReport, Stage, StageReport};
use crate::lifecycle::servers::ServingGuard;
use crate::lifecycle::shared::{Closer, Flush, Shared};

/// The timeout of a flush after a second shutdown request.
const FORCED_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The runtime must have polled a listener before it knows of waiting connections.
const LISTENER_SETTLE_TIME: Duration = Duration::from_millis(5);
/// How long aborted connections may take to be dropped.
const ABORT_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a connection may take to complete a request that it has begun to send.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long past its own timeout a flush is waited for.
const FLUSH_GRACE: Duration = Duration::from_millis(100);
/// The part of the grace period that the stages leave unused, at most a fifth: for the reports, and for
/// delays on a busy machine.
const GRACE_PERIOD_RESERVE: Duration = Duration::from_secs(1);
/// A flush gets this much less than its stage has, at most a fifth: on a busy machine a wait returns
/// later than its deadline.
const FLUSH_MARGIN: Duration = Duration::from_millis(200);

static CLOSER: Place = Place::new("health.on_close");
static FLUSH: Place = Place::new("health.on_flush");

/// Waits for the shutdown request, then until the listener must close. Load balancers are waited for only
/// if the service has a listener and `was_up` before the request.
pub(crate) async fn drain(shared: &Shared, was_up: bool) {
    let mut requests = shared.shutdown_requests.subscribe();
    drop(requests.wait_for(|requests| *requests >= 1).await);
    shared.progress.begin(Stage::Propagation);
    shared.health.drain();
    let started = Instant::now();
    let timeout = match was_up && shared.has_listener.load(Ordering::Acquire) {
        true => stage_timeout(shared, Stage::Propagation).max(LISTENER_SETTLE_TIME),
        false => LISTENER_SETTLE_TIME,
    };
    let _no_output = within(shared, timeout, std::future::pending::<()>()).await;
    shared.progress.end(StageReport::plain(Stage::Propagation, started.elapsed()));
}

/// The stages after the listener has closed: they run once, for all servers of this lifecycle.
pub(crate) async fn finish(
    shared: &Shared,
    serving: ServingGuard,
    open: Option<OpenConnections>,
) -> ShutdownReport {
    let started = Instant::now();
    if open.is_some() {
        shared.progress.begin(Stage::Requests);
    }
    let requests = shared.in_flight.requests() as u64;
    if let Some(open) = &open {
        open.close();
    }
    serving.end(open);
    // One that never comes to its end must not hold the others.
    let timeout = stage_timeout(shared, Stage::Requests);
    let _late = within(shared, timeout, shared.servers.ended()).await;
    match shared.servers.try_lead() {
        Some((_guard, open)) => run_stages(shared, started, requests, &open).await,
        None => {
            shared.servers.over().await;
            shared.progress.report()
        }
    }
}

async fn run_stages(
    shared: &Shared,
    started: Instant,
    in_progress: u64,
    open: &[OpenConnections],
) -> ShutdownReport {
    let (closers, mut flushes, admin) = {
        let mut plan = shared.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut plan.closers), std::mem::take(&mut plan.flushes), plan.admin.take())
    };
    let progress = &shared.progress;
    if !open.is_empty() {
        progress.begin(Stage::Requests);
        progress.end(requests(shared, started, in_progress, open).await);
    }
    progress.begin(Stage::Tasks);
    progress.end(tasks(shared).await);
    progress.begin(Stage::Resources);
    progress.end(resources(shared, closers).await);
    for stage in [FlushStage::Errors, FlushStage::Traces, FlushStage::Metrics] {
        flush(shared, stage, &mut flushes).await;
    }
    shared.health.stop();
    if let Some(admin) = admin {
        progress.begin(Stage::Admin);
        let started = Instant::now();
        let stopped = on_thread(move || admin.stop_counting(ABORT_TIMEOUT));
        let lost = tokio::time::timeout(ABORT_TIMEOUT * 2, stopped).await.ok().flatten().flatten();
        let report = StageReport::plain(Stage::Admin, started.elapsed());
        let complete = lost.is_some();
        progress.end(StageReport { complete, lost: lost.unwrap_or_default(), ..report });
    }
    let report = progress.report();
    let logged = on_thread(move || log_report(&report));
    let _late = tokio::time::timeout(stage_timeout(shared, Stage::Logs), logged).await;
    flush(shared, FlushStage::Logs, &mut flushes).await;
    progress.finish();
    progress.report()
}

/// The timeout of this stage. It is shortened where the later stages would not fit into the grace period:
/// then they get half of what is left.
fn stage_timeout(shared: &Shared, stage: Stage) -> Duration {
    let deadlines = &shared.deadlines;
    let left =
        deadlines.grace_period.saturating_sub(GRACE_PERIOD_RESERVE.min(deadlines.grace_period / 5));
    let elapsed = shared.requested_at.get().map(Instant::elapsed).unwrap_or_default();
    let left = left.saturating_sub(elapsed);
    let later = deadlines.after(stage).min(left / 2);
    deadlines.of(stage).min(left - later)
}

/// Runs on a detached thread: a runtime waits for its own threads when it is dropped. `None` where it
/// panicked or could not be started.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    let work = move || {
        let _nobody_waits = done.send(work());
    };
    std::thread::Builder::new().name("obs-shutdown".into()).spawn(work).ok()?;
    is_done.await.ok()
}

/// The future's output, or `None` at the stage's deadline or when a second signal hurries.
pub(crate) async fn within_stage<F: Future>(
    shared: &Shared,
    stage: Stage,
    future: F,
) -> Option<F::Output> {
    within(shared, stage_timeout(shared, stage), future).await
}

async fn requests(
    shared: &Shared,
    started: Instant,
    in_progress: u64,
    open: &[OpenConnections],
) -> StageReport {
    let upgraded = upgraded(open);
    let mut lost = 0;
    let finished_or_idle = async {
        tokio::select! {
            () = finished(open) => true,
            () = idle(shared) => false,
        }
    };
    let timeout = stage_timeout(shared, Stage::Requests);
    let left = timeout.saturating_sub(started.elapsed());
    if within(shared, left, finished_or_idle).await != Some(true) {
        lost = shared.in_flight.requests() as u64;
        open.iter().for_each(OpenConnections::abort_http);
        let _ = tokio::time::timeout(ABORT_TIMEOUT, finished(open)).await;
    }
    let left = timeout.saturating_sub(started.elapsed());
    lost += end_upgraded(shared, open, left).await;
    let finished = (in_progress + upgraded).saturating_sub(lost);
    StageReport { finished, lost, ..StageReport::plain(Stage::Requests, started.elapsed()) }
}

/// Waits for the upgraded connections, aborts the rest and returns their number. The application sees the
/// shutdown by [`crate::lifecycle::Lifecycle::draining`].
async fn end_upgraded(shared: &Shared, open: &[OpenConnections], left: Duration) -> u64 {
    if within(shared, left, closed(open)).await.is_some() {
        return 0;
    }
    let aborted = upgraded(open);
    shared.health.server_counts().upgraded_aborted(aborted);
    open.iter().for_each(OpenConnections::abort_upgraded);
    let _ = tokio::time::timeout(ABORT_TIMEOUT, closed(open)).await;
    aborted
}

fn upgraded(open: &[OpenConnections]) -> u64 {
    open.iter().map(OpenConnections::upgraded).sum()
}

async fn finished(open: &[OpenConnections]) {
    for open in open {
        open.finished().await;
    }
}

async fn closed(open: &[OpenConnections]) {
    for open in open {
        open.closed().await;
    }
}

/// Completes when no request has been in progress for a while. What is left are connections that sent
/// half a head, which could last for ever.
async fn idle(shared: &Shared) {
    let mut since = Instant::now();
    while since.elapsed() < IDLE_TIMEOUT {
        tokio::time::sleep(IDLE_TIMEOUT / 20).await;
        if shared.in_flight.requests() > 0 {
            since = Instant::now();
        }
    }
}

async fn tasks(shared: &Shared) -> StageReport {
    let started = Instant::now();
    let in_progress = shared.tasks.len() as u64;
    shared.tasks_end.cancel();
    shared.tasks.close();
    let ended = within(shared, stage_timeout(shared, Stage::Tasks), shared.tasks.wait()).await;
    let left = if ended.is_some() { 0 } else { shared.tasks.len() as u64 };
    let finished = in_progress.saturating_sub(left);
    let lost = left + shared.health.heartbeat().dead_tasks();
    StageReport { finished, lost, ..StageReport::plain(Stage::Tasks, started.elapsed()) }
}

async fn resources(shared: &Shared, closers: Vec<(String, Closer)>) -> StageReport {
    let started = Instant::now();
    let all = closers.len() as u64;
    let (mut finished, timeout) = (0, stage_timeout(shared, Stage::Resources));
    for (name, close) in closers.into_iter().rev() {
        let left = timeout.saturating_sub(started.elapsed());
        let runtime = tokio::runtime::Handle::current();
        // A thread of its own: a closer that panics or blocks must not end the shutdown.
        let closing = on_thread(move || CLOSER.call(|| runtime.block_on(close())));
        match within(shared, left, closing).await {
            Some(Some(Some(()))) => finished += 1,
            Some(_) => tracing::error!(resource = name, "panicked while it was closed"),
            None => {
                tracing::warn!(resource = name, "not closed in time: left to the process's end");
            }
        }
    }
    let lost = all - finished;
    StageReport { finished, lost, ..StageReport::plain(Stage::Resources, started.elapsed()) }
}

/// The flushes of one stage, in the order of their registration; reports nothing when there are none.
async fn flush(shared: &Shared, of: FlushStage, flushes: &mut Vec<(FlushStage, Flush)>) {
    let stage = Stage::from(of);
    let started = Instant::now();
    let mut report = StageReport::plain(stage, Duration::ZERO);
    let mut any = false;
    shared.progress.begin(stage);
    let timeout = stage_timeout(shared, stage);
    for (_, flush) in flushes.extract_if(.., |(other, _)| *other == of) {
        any = true;
        let is_forced = *shared.shutdown_requests.borrow() >= 2;
        let left = timeout.saturating_sub(started.elapsed());
        let left = if is_forced { left.min(FORCED_FLUSH_TIMEOUT) } else { left };
        let flush_timeout = left - (left / 5).min(FLUSH_MARGIN);
        let flushing = on_thread(move || FLUSH.call(|| flush(flush_timeout)));
        match tokio::time::timeout(left.saturating_add(FLUSH_GRACE), flushing).await {
            Ok(Some(Some(flushed))) => {
                report.finished += flushed.delivered;
                report.lost += flushed.lost;
            }
            Ok(_) => {
                tracing::error!(stage = stage.as_str(), "the flush panicked");
                report.complete = false;
            }
            Err(_) => {
                tracing::error!(stage = stage.as_str(), "the flush did not keep its deadline");
                report.complete = false;
            }
        }
    }
    if any {
        report.took = started.elapsed();
        shared.progress.end(report);
    }
}

/// The future's output; `None` at the deadline, or after a second shutdown request.
async fn within<F: Future>(shared: &Shared, deadline: Duration, future: F) -> Option<F::Output> {
    let mut requests = shared.shutdown_requests.subscribe();
    tokio::select! {
        biased;
        output = future => Some(output),
        () = tokio::time::sleep(deadline) => None,
        _ = requests.wait_for(|requests| *requests >= 2) => None,
    }
}

fn log_report(report: &ShutdownReport) {
    let lost = report.lost();
    let took_ms = report.took().as_millis() as u64;
    if report.is_clean() {
        tracing::info!(took_ms, lost, stages = %report, "shutdown complete");
    } else {
        tracing::warn!(took_ms, lost, stages = %report, "shutdown complete, with losses");
    }
}
