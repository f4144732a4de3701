//! The handle, and the global one of the process.

use std::error::Error as StdError;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use obs_guard::AsError;

use crate::core::{Core, ErrorOccurrence, StackSource};
use crate::details::{ErrorDetails, chain};
use crate::metrics::ErrorMetrics;
use crate::place::PlaceKey;
use crate::queue::Flushed;
use crate::report::{ErrorId, Kind};

/// How long dropping the handle waits for the reports.
const DROP_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The handle that [`capture`] uses.
static GLOBAL: Mutex<Weak<Core>> = Mutex::new(Weak::new());

/// The handle of error tracking. Dropping it flushes the reports, for at most two seconds.
#[derive(Debug)]
#[must_use = "when the handle is dropped, error tracking ends: keep it as long as the service runs"]
pub struct Errors {
    pub(crate) core: Arc<Core>,
}

impl Errors {
    /// Captures every panic of the process, with its stack. The hook that was there before is still called.
    /// A panic that ends the process waits two seconds at most for the report to leave; any other waits for
    /// nothing.
    ///
    /// This sets the process's panic hook.
    pub fn install_panic_hook(&self) {
        crate::panic::install(&self.core);
    }

    /// Makes this handle the one that [`capture`] uses, in place of any earlier one.
    pub fn make_global(&self) {
        *GLOBAL.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&self.core);
    }

    /// Captures an error with its causes; see [`capture`].
    #[track_caller]
    pub fn capture<K, E: AsError<K> + ?Sized + 'static>(&self, error: &E) -> Option<ErrorId> {
        capture_in(&self.core, error.as_error(), None)
    }

    /// Waits until everything that was captured before is delivered or lost, for at most `deadline`.
    pub fn flush(&self, deadline: Duration) -> Flushed {
        self.core.queue.as_ref().map(|queue| queue.flush(deadline)).unwrap_or_default()
    }

    /// As [`Errors::flush`]; what still waits at the deadline, and what is captured later, is counted as
    /// lost. May be called again.
    pub fn shutdown(&self, deadline: Duration) -> Flushed {
        self.core.queue.as_ref().map(|queue| queue.close(deadline)).unwrap_or_default()
    }

    /// Its own metrics, for a registry: `errors_total{type}`,
    /// `obs_errors_reported_total`, `obs_errors_dropped_total{reason}`,
    /// `obs_errors_breadcrumbs_dropped_total`.
    pub fn source(&self) -> Arc<dyn obs_context::Source> {
        Arc::new(ErrorMetrics(self.core.clone()))
    }

    /// Every place that an error came from since the process began: where, what, how often, when first and
    /// last, and the last traces; the latest first. It is bounded: 1,024 places, five traces each.
    pub fn places(&self) -> serde_json::Value {
        self.core.places.json()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        self.shutdown(DROP_FLUSH_TIMEOUT);
    }
}

/// Captures an error with its causes and the stack of the caller, for the handle that was made global;
/// returns its id, unless it is left out: there is no sink, its place is over its limit, or it is not in the
/// sample. Costs a few microseconds; this thread resolves no symbol and sends nothing.
///
/// It takes any type of [`std::error::Error`], a `dyn Error`, a box of one, an `anyhow::Error` and an `eyre::Report`.
/// An `error!(error = &error as &dyn std::error::Error)` does the same, and has a log line.
#[track_caller]
pub fn capture<K, E: AsError<K> + ?Sized + 'static>(error: &E) -> Option<ErrorId> {
    capture_in(&*global()?, error.as_error(), None)
}

/// As [`capture`], with the error's own backtrace: `anyhow::Error::backtrace`, say.
#[track_caller]
pub fn capture_with_backtrace<K, E: AsError<K> + ?Sized + 'static>(
    error: &E,
    backtrace: &std::backtrace::Backtrace,
) -> Option<ErrorId> {
    use std::backtrace::BacktraceStatus::Captured;
    let text = (backtrace.status() == Captured).then(|| backtrace.to_string());
    capture_in(&*global()?, error.as_error(), text)
}

fn global() -> Option<Arc<Core>> {
    GLOBAL.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
}

#[track_caller]
fn capture_in(
    core: &Core,
    error: &(dyn StdError + 'static),
    backtrace: Option<String>,
) -> Option<ErrorId> {
    let caller = Location::caller();
    core.record(ErrorOccurrence {
        kind: Kind::Captured,
        place: PlaceKey { kind: Kind::Captured, file: caller.file(), line: caller.line() },
        target: "",
        details: ErrorDetails { chain: chain(error), ..ErrorDetails::default() },
        stack: backtrace.map_or(StackSource::Current, StackSource::Text),
        spans: None,
        request: None,
    })
}
