//! SIGTERM and SIGINT, watched on a thread of their own: it needs no runtime of the application, hears a
//! signal while every worker is blocked, and ends the process when its shutdown does not.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::Error;
use crate::error::Kind;
use crate::lifecycle::{Lifecycle, Shared};
use crate::own_runtime::OwnRuntime;

/// The same signal again within this time is the same request: a supervisor and a shell pass on both.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);
/// From a signal to the process's end while nothing is served that could end in order.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// So much before the end of the grace period the process ends itself.
const GRACE_RESERVE: Duration = Duration::from_millis(250);
/// How long a line of the log may hold the thread.
const LOG_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the exit handlers, which flush the log, may take.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Terminate,
    Interrupt,
}

impl Asked {
    const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// What a shell shows for a process that the signal ended.
    const fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

pub(crate) fn watch(lifecycle: &Lifecycle) -> Result<(), Error> {
    if lifecycle.shared.signals_watched.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let started = start(std::sync::Arc::downgrade(&lifecycle.shared));
    if started.is_err() {
        lifecycle.shared.signals_watched.store(false, Ordering::Release);
    }
    started
}

fn start(shared: Weak<Shared>) -> Result<(), Error> {
    let failed = |source| Error::new(Kind::Signals { source });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = OwnRuntime::new(runtime.map_err(failed)?);
    let streams =
        runtime.enter(|| Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)));
    let (terminate, interrupt) = streams.map_err(failed)?;
    std::thread::Builder::new()
        .name("obs-signals".into())
        .spawn(move || runtime.block_on(run(terminate, interrupt, shared)))
        .map_err(|source| Error::new(Kind::Thread { what: "the signals", source }))?;
    Ok(())
}

async fn run(mut terminate: Signal, mut interrupt: Signal, shared: Weak<Shared>) {
    let mut counted = Vec::new();
    loop {
        let asked = tokio::select! {
            _ = terminate.recv() => Asked::Terminate,
            _ = interrupt.recv() => Asked::Interrupt,
            () = out_of_time(&counted, &shared) => continue,
        };
        let now = Instant::now();
        let is_same = |(before, at): &&(Asked, Instant)| {
            *before == asked && now.saturating_duration_since(*at) < REPEAT_INTERVAL
        };
        if counted.iter().rev().any(|one| is_same(&one)) {
            continue;
        }
        counted.push((asked, now));
        let Some(shared) = shared.upgrade() else { exit(asked) };
        let is_served = shared.is_served.load(Ordering::Acquire);
        let (signal, is_first) = (asked.name(), counted.len() == 1);
        match counted.len() {
            1 => shared.ask(),
            2 if is_served => shared.ask(),
            _ => exit(asked),
        }
        log(move || match is_served {
            true if is_first => tracing::info!(signal, "shutting down"),
            true => tracing::warn!(signal, "shutting down in a hurry: flushes only"),
            false => tracing::info!(signal, "shutting down as soon as the service is up"),
        });
    }
}

/// Ends the process once its time is up; comes back when there is more time.
async fn out_of_time(counted: &[(Asked, Instant)], shared: &Weak<Shared>) {
    let Some(&(asked, first)) = counted.first() else { return std::future::pending().await };
    let grace_period = shared.upgrade().map(|shared| shared.deadlines.grace_period);
    let grace_period = grace_period.unwrap_or_default();
    let reserve = GRACE_RESERVE.min(grace_period / 10);
    let whole = grace_period.saturating_sub(reserve);
    let is_served = || shared.upgrade().is_some_and(|one| one.is_served.load(Ordering::Acquire));
    if !is_served() {
        sleep_until(first, STARTUP_TIMEOUT.min(whole)).await;
        if is_served() {
            return;
        }
        log(|| tracing::warn!("the service did not come up after a signal to shut down: exit"));
        exit(asked);
    }
    sleep_until(first, whole).await;
    match shared.upgrade() {
        Some(shared) => log(move || shared.report_unfinished()),
        // Its report was told when the shutdown was over.
        None => log(|| {
            tracing::error!(
                "the process did not end by its grace period, after its shutdown: exit"
            );
        }),
    }
    exit(asked);
}

async fn sleep_until(since: Instant, within: Duration) {
    match since.checked_add(within) {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Logs from another thread: an output that hangs, or a layer that panics, must not cost the signals.
fn log(write: impl FnOnce() + Send + 'static) {
    let (written, is_written) = std::sync::mpsc::channel();
    let writer = std::thread::Builder::new().name("obs-signals-log".into()).spawn(move || {
        write();
        let _nobody_waits = written.send(());
    });
    if writer.is_ok() {
        let _late = is_written.recv_timeout(LOG_TIMEOUT);
    }
}

/// Exits, whatever the exit handlers do.
fn exit(asked: Asked) -> ! {
    let limit = std::thread::Builder::new().name("obs-exit".into()).spawn(|| {
        std::thread::sleep(EXIT_TIMEOUT);
        std::process::abort();
    });
    if limit.is_err() {
        std::process::abort();
    }
    std::process::exit(asked.exit_code())
}
