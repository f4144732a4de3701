//! SIGTERM and SIGINT, watched on a thread of their own: it needs no runtime of the application, hears a
//! signal while every worker is blocked, and ends the process when its shutdown does not.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::lifecycle::progress::Progress;
use crate::lifecycle::shared::Shared;
use crate::own_runtime::OwnRuntime;

/// The same signal again within this time is the same request: a supervisor and a shell pass on both.
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);
/// From a signal to the process's end while nothing is served that could end in order.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// So much before the end of the grace period the process ends itself.
const GRACE_RESERVE: Duration = Duration::from_millis(250);
/// The exit code of a process that told itself to go, and hung.
const EXIT_CALLED: i32 = 1;
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

pub(crate) fn watch(shared: &Arc<Shared>) -> Result<(), Error> {
    if shared.signals_watched.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let started = start(shared);
    if started.is_err() {
        shared.signals_watched.store(false, Ordering::Release);
    }
    started
}

fn start(shared: &Arc<Shared>) -> Result<(), Error> {
    let failed = |source| Error::new(Kind::Signals { source });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = OwnRuntime::new(runtime.map_err(failed)?);
    let streams =
        runtime.enter(|| Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)));
    let (terminate, interrupt) = streams.map_err(failed)?;
    let (call, shared) = (Call::of(shared), Arc::downgrade(shared));
    std::thread::Builder::new()
        .name("obs-signals".into())
        .spawn(move || runtime.block_on(run(terminate, interrupt, call, shared)))
        .map_err(|source| Error::new(Kind::Thread { what: "the signals", source }))?;
    Ok(())
}

/// A shutdown that the application begins itself. Known also after its lifecycle is dropped.
struct Call {
    asked: watch::Receiver<u32>,
    progress: Arc<Progress>,
    whole: Duration,
    is_over: bool,
}

impl Call {
    fn of(shared: &Shared) -> Self {
        let (asked, progress) = (shared.asked.subscribe(), Arc::clone(&shared.progress));
        Self { asked, progress, whole: whole(shared), is_over: false }
    }

    /// Ends the process once its time is up, unless the shutdown has left nothing behind: then the
    /// application may go on without the service.
    async fn out_of_time(&mut self, first: &mut Option<Instant>, shared: &Weak<Shared>) {
        if self.is_over {
            return std::future::pending().await;
        }
        if self.asked.wait_for(|asked| *asked >= 1).await.is_ok() {
            let first = *first.get_or_insert_with(Instant::now);
            sleep_until(first, self.whole).await;
            let shared = shared.upgrade();
            if self.progress.leaves_something(shared.is_some()) {
                log_unfinished(shared);
                exit(EXIT_CALLED);
            }
        }
        self.is_over = true;
    }
}

async fn run(mut terminate: Signal, mut interrupt: Signal, mut call: Call, shared: Weak<Shared>) {
    let (mut counted, mut called) = (Vec::new(), None);
    loop {
        let asked = tokio::select! {
            _ = terminate.recv() => Asked::Terminate,
            _ = interrupt.recv() => Asked::Interrupt,
            () = out_of_time(&counted, &shared) => continue,
            () = call.out_of_time(&mut called, &shared),
                if counted.is_empty() || called.is_some() => continue,
        };
        let now = Instant::now();
        let is_same = |(before, at): &&(Asked, Instant)| {
            *before == asked && now.saturating_duration_since(*at) < REPEAT_INTERVAL
        };
        if counted.iter().rev().any(|one| is_same(&one)) {
            continue;
        }
        counted.push((asked, now));
        let Some(shared) = shared.upgrade() else { exit(asked.exit_code()) };
        let is_served = shared.is_served.load(Ordering::Acquire);
        let (signal, is_first) = (asked.name(), counted.len() == 1);
        match counted.len() {
            1 => shared.ask(),
            2 if is_served => shared.ask(),
            _ => exit(asked.exit_code()),
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
    let whole = shared.upgrade().map(|shared| whole(&shared)).unwrap_or_default();
    let is_served = || shared.upgrade().is_some_and(|one| one.is_served.load(Ordering::Acquire));
    if !is_served() {
        sleep_until(first, STARTUP_TIMEOUT.min(whole)).await;
        if is_served() {
            return;
        }
        log(|| tracing::warn!("the service did not come up after a signal to shut down: exit"));
        exit(asked.exit_code());
    }
    sleep_until(first, whole).await;
    log_unfinished(shared.upgrade());
    exit(asked.exit_code());
}

fn log_unfinished(shared: Option<Arc<Shared>>) {
    match shared {
        Some(shared) => log(move || shared.report_unfinished()),
        // Its report was told when the shutdown was over.
        None => log(|| {
            tracing::error!(
                "the process did not end by its grace period, after its shutdown: exit"
            );
        }),
    }
}

/// How long the process has from the request on.
fn whole(shared: &Shared) -> Duration {
    let grace_period = shared.deadlines.grace_period;
    grace_period.saturating_sub(GRACE_RESERVE.min(grace_period / 10))
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
fn exit(code: i32) -> ! {
    let limit = std::thread::Builder::new().name("obs-exit".into()).spawn(|| {
        std::thread::sleep(EXIT_TIMEOUT);
        std::process::abort();
    });
    if limit.is_err() {
        std::process::abort();
    }
    std::process::exit(code)
}
