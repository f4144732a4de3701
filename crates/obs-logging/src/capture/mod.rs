//! Lines as values, for tests: what structlog's `capture_logs` does.
//!
//! ```
//! let capture = obs_logging::capture::Capture::new();
//! capture.run(|| tracing::info!(user_id = 42, "user created"));
//! let lines = capture.lines();
//! assert_eq!(lines[0].event(), "user created");
//! assert_eq!(lines[0]["user_id"], 42);
//! ```

pub(crate) mod json;
pub(crate) mod value;

use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::DefaultGuard;
use tracing::instrument::{WithDispatch, WithSubscriber};
use tracing_core::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

use crate::builder::Builder;
use crate::error::Error;
use crate::filter::LogFilter;
use crate::logging::Logging;
use crate::stage::Stage;

pub use value::{Captured, Value};

/// Captures the lines of a thread, or of a task: exactly those that a service would write.
#[derive(Debug)]
pub struct Capture {
    dispatch: Dispatch,
    written: Written,
    _logging: Logging,
}

impl Capture {
    /// Captures everything.
    pub fn new() -> Self {
        Self::of(Builder::new(), LogFilter::everything())
    }

    /// Captures what this set-up would write; its output, format and delivery do not matter.
    ///
    /// # Errors
    /// When the filter is none.
    pub fn with<S: Stage>(builder: Builder<S>) -> Result<Self, Error> {
        let filter = LogFilter::new(builder.filter_text())?;
        Ok(Self::of(builder, filter))
    }

    fn of<S: Stage>(builder: Builder<S>, filter: LogFilter) -> Self {
        let written = Written::default();
        let (layer, logging) = builder.span_names(true).captured(filter, written.clone());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { dispatch, written, _logging: logging }
    }

    /// Captures what this thread logs during `work`.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, work)
    }

    /// Captures what this thread logs until the guard is dropped.
    pub fn enter(&self) -> EnteredCapture {
        let default = tracing::dispatcher::set_default(&self.dispatch);
        EnteredCapture { _default: default, _of_this_thread: PhantomData }
    }

    /// Captures what a future logs, on whichever thread it is polled; what it spawns must be wrapped, too.
    pub fn scope<F>(&self, future: F) -> WithDispatch<F> {
        future.with_subscriber(self.dispatch.clone())
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Captured> {
        let bytes = self.written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(json::object).map(Captured::new).collect()
    }

    /// The one line with this event.
    ///
    /// # Errors
    /// When there is none, or more than one; the error lists the events.
    pub fn line(&self, event: &str) -> Result<Captured, Error> {
        let mut lines = self.lines();
        let events: Vec<_> = lines.iter().map(|line| line.event().to_owned()).collect();
        lines.retain(|line| line.event() == event);
        match (lines.pop(), lines.is_empty()) {
            (Some(line), true) => Ok(line),
            _ => Err(Error::new(
                format!("not exactly one line is `{event}` among {events:?}"),
                "check the event's name, the filter, and that the code under test runs in the capture",
            )),
        }
    }
}

/// Ends the capture of its thread when dropped: made by [`Capture::enter`]. It cannot be held across an await of a task
/// that may move; [`Capture::scope`] is for futures:
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: T) {}
/// is_send(obs_logging::capture::Capture::new().enter());
/// ```
#[must_use = "lines are captured only as long as this guard lives"]
#[derive(Debug)]
pub struct EnteredCapture {
    _default: DefaultGuard,
    _of_this_thread: PhantomData<*const ()>,
}

impl Captured {
    /// A line of JSON as this crate writes it, with the message in `event`; `None` of any other text.
    pub fn parse(line: &str) -> Option<Self> {
        json::object(line).map(Self::new)
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
