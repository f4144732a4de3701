//! Panics in the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::logging::Logging;
use crate::output::{Sink, Tally};

/// How long a panicking thread waits for its line to be written: the process may be about to abort.
const FLUSH: Duration = Duration::from_millis(500);

/// Logs every panic of the process as an error with its message, location, thread and (where
/// `RUST_BACKTRACE` asks for one) backtrace, counts it, and waits half a second at most for the line to
/// be written. The hook that was there before is still called.
///
/// This sets the process's panic hook.
pub fn install(logging: &Logging) {
    let sink = Arc::downgrade(logging.sink());
    let tally = logging.tally().clone();
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log(panic, &tally);
        earlier(panic);
        if let Some(sink) = sink.upgrade() {
            flush(&sink);
        }
    }));
}

fn log(panic: &PanicHookInfo<'_>, tally: &Tally) {
    tally.panics.fetch_add(1, Ordering::Relaxed);
    let message =
        obs_guard::panic_message(panic.payload()).unwrap_or("the panic's payload is no text");
    let location = panic.location().map(|place| {
        format!("{}:{}:{}", obs_guard::source_path(place.file()), place.line(), place.column())
    });
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        target: "panic",
        location = location.as_deref(),
        thread = thread.name(),
        backtrace = backtrace.as_ref().map(tracing::field::display),
        "{message}",
    );
}

fn flush(sink: &Sink) {
    sink.flush(FLUSH);
}
