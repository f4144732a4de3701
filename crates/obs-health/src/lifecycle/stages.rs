//! The stages, one function each, read in their order.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use obs_guard::Place;
use tokio::sync::oneshot;

use crate::lifecycle::open::OpenConnections;
use crate::lifecycle::report::{FlushStage, ShutdownReport, Stage, StageReport};
use crate::lifecycle::servers::ServingGuard;
use crate::lifecycle::shared::{Closer, Flush, Shared};

/// What a flush gets once somebody is in a hurry.
const HURRY: Duration = Duration::from_secs(1);
/// The runtime must have looked at a listener before it knows who waits there.
const SETTLE: Duration = Duration::from_millis(5);
/// How long aborted connections may take to be dropped.
const ABORT: Duration = Duration::from_millis(200);
/// How long a connection may take to complete the request that it has begun to send.
const IDLE: Duration = Duration::from_secs(1);
/// Past a flush's own deadline, before it is given up.
const OVERTIME: Duration = Duration::from_millis(100);
/// What the stages together leave of the grace period, at most a fifth of it: for the reports, and for
/// whatever is late on a busy machine.
const WHOLE_RESERVE: Duration = Duration::from_secs(1);
/// So much less time a flush is told to have, a fifth at most: on a busy machine whatever waits until
/// its deadline comes back later than that.
const SPARE: Duration = Duration::from_millis(200);

static CLOSER: Place = Place::new("health.on_close");
static FLUSH: Place = Place::new("health.on_flush");

/// Waits for the shutdown, then until the listener must close. Only a service that `was_up` before the
/// shutdown was asked for has load balancers to wait for.
pub(crate) async fn drain(shared: &Shared, was_up: bool) {
    let mut asked = shared.asked.subscribe();
    drop(asked.wait_for(|asked| *asked >= 1).await);
    shared.progress.begin(Stage::Propagation);
    shared.health.drain();
    shared.in_flight.drain();
    shared.draining.cancel();
    let started = Instant::now();
    let most = match was_up {
        true => clamped(shared, Stage::Propagation).max(SETTLE),
        false => SETTLE,
    };
    let _no_output = within(shared, most, std::future::pending::<()>()).await;
    shared.progress.end(StageReport::plain(Stage::Propagation, started.elapsed()));
}

/// Everything after a listener has closed: once, for all who serve on this lifecycle.
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
    let most = clamped(shared, Stage::Requests);
    let _late = within(shared, most, shared.servers.ended()).await;
    match shared.servers.try_lead() {
        Some((_guard, open)) => go_through(shared, started, requests, &open).await,
        None => {
            shared.servers.over().await;
            shared.progress.report()
        }
    }
}

async fn go_through(
    shared: &Shared,
    started: Instant,
    under_way: u64,
    open: &[OpenConnections],
) -> ShutdownReport {
    let (closers, mut flushes, admin) = {
        let mut plan = shared.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut plan.closers), std::mem::take(&mut plan.flushes), plan.admin.take())
    };
    let progress = &shared.progress;
    if !open.is_empty() {
        progress.begin(Stage::Requests);
        progress.end(requests(shared, started, under_way, open).await);
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
        let stopped = on_thread(move || admin.stop_counting(ABORT));
        let lost = tokio::time::timeout(ABORT * 2, stopped).await.ok().flatten().flatten();
        let report = StageReport::plain(Stage::Admin, started.elapsed());
        let complete = lost.is_some();
        progress.end(StageReport { complete, lost: lost.unwrap_or_default(), ..report });
    }
    let report = progress.report();
    let told = on_thread(move || tell(&report));
    let _late = tokio::time::timeout(clamped(shared, Stage::Logs), told).await;
    flush(shared, FlushStage::Logs, &mut flushes).await;
    progress.finish();
    progress.report()
}

/// The deadline of this stage, or less of it where the stages after it would not fit into the grace
/// period: then they get half of what is left.
fn clamped(shared: &Shared, stage: Stage) -> Duration {
    let deadlines = &shared.deadlines;
    let left = deadlines.grace_period.saturating_sub(WHOLE_RESERVE.min(deadlines.grace_period / 5));
    let elapsed = shared.asked_at.get().map(Instant::elapsed).unwrap_or_default();
    let left = left.saturating_sub(elapsed);
    let later = deadlines.after(stage).min(left / 2);
    deadlines.of(stage).min(left - later)
}

/// On a thread of its own, which nobody joins: a runtime's own waits for it when it is dropped. `None`
/// where it panicked or could not be started.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, is_done) = oneshot::channel();
    let work = move || {
        let _nobody_waits = done.send(work());
    };
    std::thread::Builder::new().name("obs-shutdown".into()).spawn(work).ok()?;
    is_done.await.ok()
}

async fn requests(
    shared: &Shared,
    started: Instant,
    under_way: u64,
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
    let most = clamped(shared, Stage::Requests);
    let left = most.saturating_sub(started.elapsed());
    if within(shared, left, finished_or_idle).await != Some(true) {
        lost = shared.in_flight.requests() as u64;
        open.iter().for_each(OpenConnections::abort_http);
        let _ = tokio::time::timeout(ABORT, finished(open)).await;
    }
    let left = most.saturating_sub(started.elapsed());
    lost += end_upgraded(shared, open, left).await;
    let finished = (under_way + upgraded).saturating_sub(lost);
    StageReport { finished, lost, ..StageReport::plain(Stage::Requests, started.elapsed()) }
}

/// How many connections that the application has taken over were aborted. It learns of the shutdown
/// by [`crate::lifecycle::Lifecycle::draining`].
async fn end_upgraded(shared: &Shared, open: &[OpenConnections], left: Duration) -> u64 {
    if within(shared, left, closed(open)).await.is_some() {
        return 0;
    }
    let aborted = upgraded(open);
    shared.health.server_counts().upgraded_aborted(aborted);
    open.iter().for_each(OpenConnections::abort_upgraded);
    let _ = tokio::time::timeout(ABORT, closed(open)).await;
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
    let ended = within(shared, clamped(shared, Stage::Tasks), shared.tasks.wait()).await;
    let lost = if ended.is_some() { 0 } else { shared.tasks.len() as u64 };
    let finished = under_way.saturating_sub(lost);
    StageReport { finished, lost, ..StageReport::plain(Stage::Tasks, started.elapsed()) }
}

async fn resources(shared: &Shared, closers: Vec<(String, Closer)>) -> StageReport {
    let started = Instant::now();
    let all = closers.len() as u64;
    let (mut finished, most) = (0, clamped(shared, Stage::Resources));
    for (name, close) in closers.into_iter().rev() {
        let left = most.saturating_sub(started.elapsed());
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
    let most = clamped(shared, stage);
    for (_, flush) in flushes.extract_if(.., |(other, _)| *other == of) {
        any = true;
        let hurry = *shared.asked.borrow() >= 2;
        let left = most.saturating_sub(started.elapsed());
        let left = if hurry { left.min(HURRY) } else { left };
        let told = left - (left / 5).min(SPARE);
        let flushing = on_thread(move || FLUSH.call(|| flush(told)));
        match tokio::time::timeout(left.saturating_add(OVERTIME), flushing).await {
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
