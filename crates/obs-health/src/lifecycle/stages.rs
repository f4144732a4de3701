//! The stages, one function each, read in their order.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use obs_guard::Place;

use crate::lifecycle::{Closer, Flush, Shared, ShutdownReport, Stage, StageReport};
use crate::server::{Connections, Open};

/// What a flush gets once somebody is in a hurry.
const HURRY: Duration = Duration::from_secs(1);
/// How long aborted connections may take to be dropped.
const ABORT: Duration = Duration::from_millis(200);
/// How long a connection may take to complete the request that it has begun to send.
const IDLE: Duration = Duration::from_secs(1);
/// Past a flush's own deadline, before it is given up.
const OVERTIME: Duration = Duration::from_millis(100);
/// So much less time a flush is told to have, a fifth at most: on a busy machine whatever waits until
/// its deadline comes back later than that.
const SPARE: Duration = Duration::from_millis(200);

static CLOSER: Place = Place::new("health.on_close");
static FLUSH: Place = Place::new("health.on_flush");

/// Waits for the shutdown, then until the listener must close.
pub(crate) async fn drain(shared: &Shared) {
    let mut asked = shared.asked.subscribe();
    let _ = asked.wait_for(|asked| *asked >= 1).await;
    shared.health.drain();
    shared.in_flight.drain();
    shared.draining.cancel();
    let started = Instant::now();
    let _ = within(shared, shared.deadlines.propagation, std::future::pending::<()>()).await;
    let _ = shared.propagated.set(started.elapsed());
}

/// Everything after the listener has closed.
pub(crate) async fn finish(shared: &Shared, connections: Option<Connections>) -> ShutdownReport {
    let (closers, mut flushes, admin) = {
        let mut plan = shared.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut plan.closers), std::mem::take(&mut plan.flushes), plan.admin.take())
    };
    let mut report = ShutdownReport::default();
    let propagated = shared.propagated.get().copied().unwrap_or_default();
    report.stages.push(StageReport::plain(Stage::Propagation, propagated));
    if let Some(connections) = connections {
        report.stages.push(requests(shared, connections).await);
    }
    report.stages.push(tasks(shared).await);
    report.stages.push(resources(shared, closers).await);
    for (stage, deadline) in
        [(Stage::Traces, shared.deadlines.traces), (Stage::Metrics, shared.deadlines.metrics)]
    {
        report.stages.extend(flush(shared, stage, deadline, &mut flushes).await);
    }
    shared.health.stop();
    if let Some(admin) = admin {
        let started = Instant::now();
        let _ = tokio::task::spawn_blocking(move || admin.stop(ABORT)).await;
        report.stages.push(StageReport::plain(Stage::Admin, started.elapsed()));
    }
    tell(&report);
    report.stages.extend(flush(shared, Stage::Logs, shared.deadlines.logs, &mut flushes).await);
    report
}

async fn requests(shared: &Shared, connections: Connections) -> StageReport {
    let started = Instant::now();
    let requests = shared.in_flight.requests() as u64;
    let open = connections.finish();
    let upgraded = open.upgraded();
    let mut lost = 0;
    let finished_or_idle = async {
        tokio::select! {
            () = open.finished() => true,
            () = idle(shared) => false,
        }
    };
    if within(shared, shared.deadlines.requests, finished_or_idle).await != Some(true) {
        lost = shared.in_flight.requests() as u64;
        open.abort_http();
        let _ = tokio::time::timeout(ABORT, open.finished()).await;
    }
    let left = shared.deadlines.requests.saturating_sub(started.elapsed());
    lost += end_upgraded(shared, &open, left).await;
    let finished = (requests + upgraded).saturating_sub(lost);
    StageReport { finished, lost, ..StageReport::plain(Stage::Requests, started.elapsed()) }
}

/// How many connections that the application has taken over were aborted. It learns of the shutdown
/// by [`crate::lifecycle::Lifecycle::draining`].
async fn end_upgraded(shared: &Shared, open: &Open, left: Duration) -> u64 {
    if within(shared, left, open.closed()).await.is_some() {
        return 0;
    }
    let aborted = open.upgraded();
    shared.health.server_counts().upgraded_aborted(aborted);
    open.abort_upgraded();
    let _ = tokio::time::timeout(ABORT, open.closed()).await;
    aborted
}

/// Comes when no request has been under way for a while: what is left are connections that sent half
/// a head, which may go on for as long as their peers like.
async fn idle(shared: &Shared) {
    let mut since = Instant::now();
    while since.elapsed() < IDLE {
        tokio::time::sleep(IDLE / 20).await;
        if shared.in_flight.requests() > 0 {
            since = Instant::now();
        }
    }
}

async fn tasks(shared: &Shared) -> StageReport {
    let started = Instant::now();
    let under_way = shared.tasks.len() as u64;
    shared.tasks_end.cancel();
    shared.tasks.close();
    let ended = within(shared, shared.deadlines.tasks, shared.tasks.wait()).await;
    let lost = if ended.is_some() { 0 } else { shared.tasks.len() as u64 };
    let finished = under_way.saturating_sub(lost);
    StageReport { finished, lost, ..StageReport::plain(Stage::Tasks, started.elapsed()) }
}

async fn resources(shared: &Shared, closers: Vec<(String, Closer)>) -> StageReport {
    let started = Instant::now();
    let all = closers.len() as u64;
    let mut finished = 0;
    for (name, close) in closers.into_iter().rev() {
        let left = shared.deadlines.resources.saturating_sub(started.elapsed());
        // A task of its own: a closer that panics must not end the shutdown.
        let closed = within(shared, left, tokio::spawn(async move { close().await })).await;
        match closed {
            Some(Ok(())) => finished += 1,
            Some(Err(error)) => {
                tracing::error!(resource = name, %error, "panicked while it was closed");
                if let Ok(payload) = error.try_into_panic() {
                    CLOSER.caught(payload);
                }
            }
            None => {
                tracing::warn!(resource = name, "not closed in time: left to the process's end");
            }
        }
    }
    let lost = all - finished;
    StageReport { finished, lost, ..StageReport::plain(Stage::Resources, started.elapsed()) }
}

/// The flushes of one stage, in the order of their registration; `None` when there are none.
async fn flush(
    shared: &Shared,
    stage: Stage,
    deadline: Duration,
    flushes: &mut Vec<(Stage, Flush)>,
) -> Option<StageReport> {
    let started = Instant::now();
    let mut report = StageReport::plain(stage, Duration::ZERO);
    let mut any = false;
    for (_, flush) in flushes.extract_if(.., |(of, _)| *of == stage) {
        any = true;
        let hurry = *shared.asked.borrow() >= 2;
        let left = deadline.saturating_sub(started.elapsed());
        let left = if hurry { left.min(HURRY) } else { left };
        let told = left - (left / 5).min(SPARE);
        let flushing = tokio::task::spawn_blocking(move || FLUSH.call(|| flush(told)));
        match tokio::time::timeout(left.saturating_add(OVERTIME), flushing).await {
            Ok(Ok(Some(flushed))) => {
                report.finished += flushed.delivered;
                report.lost += flushed.lost;
            }
            Ok(Ok(None) | Err(_)) => {
                tracing::error!(stage = stage.as_str(), "the flush panicked");
                report.complete = false;
            }
            Err(_) => {
                tracing::error!(stage = stage.as_str(), "the flush did not keep its deadline");
                report.complete = false;
            }
        }
    }
    report.took = started.elapsed();
    any.then_some(report)
}

/// The future's output, or `None` at the deadline or when a second signal hurries.
async fn within<F: Future>(shared: &Shared, deadline: Duration, future: F) -> Option<F::Output> {
    let mut asked = shared.asked.subscribe();
    tokio::select! {
        biased;
        output = future => Some(output),
        () = tokio::time::sleep(deadline) => None,
        _ = asked.wait_for(|asked| *asked >= 2) => None,
    }
}

fn tell(report: &ShutdownReport) {
    let lost = report.lost();
    let took_ms = report.took().as_millis() as u64;
    if report.is_clean() {
        tracing::info!(took_ms, lost, stages = %report, "shutdown complete");
    } else {
        tracing::warn!(took_ms, lost, stages = %report, "shutdown complete, with losses");
    }
}
