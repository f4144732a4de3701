//! SIGTERM and SIGINT, watched on a thread of their own: it needs no runtime of the application, hears a
//! signal while every worker is blocked, and ends the process when its shutdown does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Kind};
use crate::lifecycle::progress::Progress;
use crate::lifecycle::shared::{REPEAT_INTERVAL, Shared};
use crate::own_runtime::OwnRuntime;

/// From a signal to the process's end while nothing is served that could end in order.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long before the end of the grace period the process ends itself.
const GRACE_RESERVE: Duration = Duration::from_millis(250);
/// The exit code of a process whose shutdown was called, not signalled, and hung.
const EXIT_CODE_WITHOUT_SIGNAL: i32 = 1;
/// How long a line of the log may hold the thread.
const LOG_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the exit handlers, which flush the log, may take.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(unix)]
mod platform {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) type Terminate = Signal;
    pub(super) type Interrupt = Signal;

    pub(super) fn streams() -> io::Result<(Terminate, Interrupt)> {
        Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }
}

/// Ctrl-Break, which a supervisor can send, is SIGTERM, and Ctrl-C is SIGINT.
#[cfg(windows)]
mod platform {
    use std::io;

    use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

    pub(super) type Terminate = CtrlBreak;
    pub(super) type Interrupt = CtrlC;

    pub(super) fn streams() -> io::Result<(Terminate, Interrupt)> {
        Ok((ctrl_break()?, ctrl_c()?))
    }
}

/// Counts the lifecycles that watch: the signals of one that was dropped are those of the newest.
static NEWEST: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShutdownSignal {
    Terminate,
    Interrupt,
}

impl ShutdownSignal {
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
    let (terminate, interrupt) = runtime.enter(platform::streams).map_err(failed)?;
    let (call, shared) = (CalledShutdown::of(shared), Arc::downgrade(shared));
    let generation = NEWEST.fetch_add(1, Ordering::AcqRel) + 1;
    let watched = Watched { shared, generation };
    std::thread::Builder::new()
        .name("obs-signals".into())
        .spawn(move || runtime.block_on(run(terminate, interrupt, call, watched)))
        .map_err(|source| Error::new(Kind::Thread { what: "the signals", source }))?;
    Ok(())
}

/// A shutdown that the application calls. It is watched also after its lifecycle is dropped.
struct CalledShutdown {
    requests: watch::Receiver<u32>,
    progress: Arc<Progress>,
    time_limit: Duration,
    is_over: bool,
}

impl CalledShutdown {
    fn of(shared: &Shared) -> Self {
        let (requests, progress) =
            (shared.shutdown_requests.subscribe(), Arc::clone(&shared.progress));
        Self { requests, progress, time_limit: time_limit(shared), is_over: false }
    }

    /// Ends the process once its time is up, unless the shutdown has left nothing behind: then the
    /// application may go on without the service.
    async fn exit_when_out_of_time(&mut self, first: &mut Option<Instant>, shared: &Weak<Shared>) {
        if self.is_over {
            return std::future::pending().await;
        }
        if self.requests.wait_for(|requests| *requests >= 1).await.is_ok() {
            let first = *first.get_or_insert_with(Instant::now);
            sleep_until(first, self.time_limit).await;
            let shared = shared.upgrade();
            if self.progress.has_leftovers(shared.is_some()) {
                log_unfinished(shared);
                exit(EXIT_CODE_WITHOUT_SIGNAL);
            }
        }
        self.is_over = true;
    }
}

/// A lifecycle whose signals are watched, and its place among those of this process.
struct Watched {
    shared: Weak<Shared>,
    generation: u64,
}

impl Watched {
    /// Whether it was dropped, and another one of this process has taken its place.
    fn is_replaced(&self) -> bool {
        self.shared.strong_count() == 0 && self.generation != NEWEST.load(Ordering::Acquire)
    }
}

async fn run(
    mut terminate: platform::Terminate,
    mut interrupt: platform::Interrupt,
    mut call: CalledShutdown,
    watched: Watched,
) {
    let (shared, limit) = (watched.shared.clone(), call.time_limit);
    let (mut counted, mut called) = (Vec::new(), None);
    loop {
        let signal = tokio::select! {
            _ = terminate.recv() => ShutdownSignal::Terminate,
            _ = interrupt.recv() => ShutdownSignal::Interrupt,
            () = exit_when_out_of_time(&counted, &shared, limit) => continue,
            () = call.exit_when_out_of_time(&mut called, &shared),
                if counted.is_empty() || called.is_some() => continue,
        };
        if watched.is_replaced() {
            return;
        }
        let now = Instant::now();
        let is_same = |(before, at): &&(ShutdownSignal, Instant)| {
            *before == signal && now.saturating_duration_since(*at) < REPEAT_INTERVAL
        };
        if counted.iter().rev().any(|one| is_same(&one)) {
            continue;
        }
        counted.push((signal, now));
        let Some(shared) = shared.upgrade() else { exit(signal.exit_code()) };
        let is_served = shared.is_served.load(Ordering::Acquire);
        let (name, is_first) = (signal.name(), counted.len() == 1);
        match counted.len() {
            1 => shared.request_shutdown(),
            2 if is_served => shared.request_again(),
            _ => exit(signal.exit_code()),
        }
        log(move || match is_served {
            true if is_first => tracing::info!(signal = name, "shutting down"),
            true => tracing::warn!(signal = name, "shutting down in a hurry: flushes only"),
            false => tracing::info!(signal = name, "shutting down as soon as the service is up"),
        });
    }
}

/// Ends the process once its time is up; comes back when there is more time.
async fn exit_when_out_of_time(
    counted: &[(ShutdownSignal, Instant)],
    shared: &Weak<Shared>,
    time_limit: Duration,
) {
    let Some(&(signal, first)) = counted.first() else { return std::future::pending().await };
    // A lifecycle that is gone has been served, or the application has given up by itself.
    let is_served = || shared.upgrade().is_none_or(|one| one.is_served.load(Ordering::Acquire));
    if !is_served() {
        sleep_until(first, STARTUP_TIMEOUT.min(time_limit)).await;
        if is_served() {
            return;
        }
        log(|| tracing::warn!("the service did not come up after a signal to shut down: exit"));
        exit(signal.exit_code());
    }
    sleep_until(first, time_limit).await;
    log_unfinished(shared.upgrade());
    exit(signal.exit_code());
}

fn log_unfinished(shared: Option<Arc<Shared>>) {
    match shared {
        Some(shared) => log(move || shared.report_unfinished()),
        // Its report was logged when the shutdown was over.
        None => log(|| {
            tracing::error!(
                "the process did not end by its grace period, after its shutdown: exit"
            );
        }),
    }
}

/// How long the process has from the request on.
fn time_limit(shared: &Shared) -> Duration {
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
