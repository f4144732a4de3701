//! Panics in the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::logging::Logging;
use crate::output::Tally;

/// How long a panicking thread waits for its line to be written: the process may be about to abort.
const FLUSH: Duration = Duration::from_millis(500);

/// Logs every panic of the process as an error with its message, location, thread and (where
/// `RUST_BACKTRACE` asks for one) the calls of the application, or all with `full`; counts it, and waits half a
/// second at most for the line to be written.
///
/// A hook that was there before is still called. The standard library's own, whose text on standard error would
/// say the same again, is called where the line was not written: the filter leaves it out, or the writer is stuck.
///
/// This sets the process's panic hook.
pub fn install(logging: &Logging) {
    let sink = Arc::downgrade(logging.sink());
    let tally = logging.tally().clone();
    let (earlier, is_default) = take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let sink = sink.upgrade();
        let before = sink.as_ref().map(|sink| sink.counts().written);
        log(panic, &tally);
        if !is_default {
            earlier(panic);
        }
        let report = sink.map(|sink| sink.flush(FLUSH));
        let is_written = report
            .is_some_and(|report| report.complete && before.is_some_and(|it| report.written > it));
        if is_default && !is_written {
            earlier(panic);
        }
    }));
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The hook, and whether it is the standard library's. After it is taken that one holds: taken again, it is the
/// same function. Where the comparison misses, a panic is said twice.
fn take_hook() -> (Hook, bool) {
    let earlier = std::panic::take_hook();
    let default = std::panic::take_hook();
    let is_default = std::ptr::eq(&raw const *earlier, &raw const *default);
    (earlier, is_default)
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
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| text_of(&backtrace));
    tracing::error!(
        target: "panic",
        location = location.as_deref(),
        thread = thread.name(),
        backtrace = backtrace.as_deref(),
        "{message}",
    );
}

/// Of a request nearly all calls are the runtime's.
fn text_of(backtrace: &Backtrace) -> String {
    let asked = |name| std::env::var_os(name);
    let asked = asked("RUST_LIB_BACKTRACE").or_else(|| asked("RUST_BACKTRACE"));
    let text = backtrace.to_string();
    match asked.is_some_and(|asked| asked == "full") {
        true => text,
        false => obs_guard::frames::of_application(&text),
    }
}
