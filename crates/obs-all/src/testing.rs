//! Lines, spans and metrics of one test, beside others in the same process.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = obs_all::testing::scope()?;
//! tracing::info_span!("charge", order = 7).in_scope(|| tracing::info!("paid"));
//! assert_eq!(scope.lines()[0].event(), "paid");
//! assert_eq!(scope.spans()[0].attribute("order").as_deref(), Some("7"));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::tracing::Dispatch;
use ::tracing::dispatcher::{self, DefaultGuard};
use obs_logging::Output;
use obs_logging::capture::Captured;
use obs_metrics::Registry;
use obs_metrics::testing::{sample, sample_in};
use serde_json::Value;

use crate::config::Config;
use crate::error::Error;
use crate::init::Obs;

/// How long a scope waits for what was logged and traced to be written.
const WAIT: Duration = Duration::from_secs(60);

/// How many scopes there are: where there is none, tasks take no subscriber along.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

/// Begins the scope of a test: until it is dropped, what this thread logs, traces and measures by
/// [`Scope::obs`] is its own.
///
/// It needs no [`init`](crate::init) and reads no environment variable. Scopes run beside each other, each on the
/// thread of its test: that of `#[tokio::test]`, of either flavour. Tasks belong to it that are begun by
/// [`obs_all::spawn`](crate::spawn), [`spawn_blocking`](crate::spawn_blocking) or [`in_current`](crate::in_current).
///
/// # Errors
///
/// When a thread cannot be started.
pub fn scope() -> Result<Scope, Error> {
    scope_of(Config::new("test"))
}

/// As [`scope`], with this configuration: its output, its environment and its exporter of spans do not matter.
///
/// # Errors
///
/// When a value is wrong, or a thread cannot be started.
pub fn scope_of(config: Config) -> Result<Scope, Error> {
    let written = Written::default();
    let exported: Exported = Arc::default();
    let (output, requests) = (Output::writer(written.clone()), Arc::clone(&exported));
    let config = config.environment(|_| None).admin_addr(None).tracing_at_last(move |traces| {
        let requests = Arc::clone(&requests);
        traces.export_with(move |request, _| {
            requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.to_vec());
            Ok(())
        })
    });
    let mut subscriber = None;
    let obs = Obs::assemble(config, &Registry::new(), Some(output), |parts| {
        subscriber = Some(parts.subscriber());
        Ok(())
    })?;
    let before = obs_metrics::default_registry().encode_text();
    let dispatch = subscriber.unwrap_or_else(Dispatch::none);
    SCOPES.fetch_add(1, Ordering::Relaxed);
    let current = dispatcher::set_default(&dispatch);
    Ok(Scope { _current: current, _of_this_thread: PhantomData, obs, written, exported, before })
}

/// The subscriber that a task takes along.
pub(crate) fn current_scope() -> Option<Dispatch> {
    match SCOPES.load(Ordering::Relaxed) {
        0 => None,
        _ => Some(dispatcher::get_default(Dispatch::clone)),
    }
}

type Exported = Arc<Mutex<Vec<Vec<u8>>>>;

/// The lines, spans and metrics of one test: made by [`scope`]. It belongs to its thread, and is no part of a task that
/// may move:
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: T) {}
/// is_send(obs_all::testing::scope());
/// ```
#[must_use = "the scope ends when it is dropped"]
pub struct Scope {
    _current: DefaultGuard,
    _of_this_thread: PhantomData<MutexGuard<'static, ()>>,
    obs: Obs,
    written: Written,
    exported: Exported,
    /// What the process's registry showed when the scope began.
    before: String,
}

impl Scope {
    /// The telemetry of this test, as [`init`](crate::init) makes it for a process: `scope.obs().observe(app)`.
    pub fn obs(&self) -> &Obs {
        &self.obs
    }

    /// Every line so far, in the order of time.
    pub fn lines(&self) -> Vec<Captured> {
        let _complete = self.obs.logging().flush(WAIT);
        let bytes = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().filter_map(Captured::parse).collect()
    }

    /// Every span that has ended so far, in the order of their ends.
    pub fn spans(&self) -> Vec<Span> {
        let _complete = self.obs.traces().flush(WAIT);
        let exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        exported.iter().flat_map(|request| spans_of(request)).collect()
    }

    /// The number of one series, such as `scope.metric("orders_total", &[("status", "created")])`: of
    /// [`Obs::metrics`], as those of HTTP are, or, where it has no such series, by how much that of the process's
    /// registry has grown since the scope began. The latter it shares with tests that run beside it.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        sample(self.obs.metrics(), name, labels).or_else(|| {
            let now = sample(obs_metrics::default_registry(), name, labels)?;
            Some(now - sample_in(&self.before, name, labels).unwrap_or(0.0))
        })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// A span that has ended, as a collector gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Span(Value);

impl Span {
    /// Its name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The id of its trace, in hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.text("traceId")
    }

    /// Its own id.
    pub fn span_id(&self) -> &str {
        self.text("spanId")
    }

    /// The id of its parent, or an empty text.
    pub fn parent_id(&self) -> &str {
        self.text("parentSpanId")
    }

    /// Whether its status is ERROR.
    pub fn is_error(&self) -> bool {
        self.0.pointer("/status/code") == Some(&Value::from(2))
    }

    /// An attribute as text: `true`, `7`, `0.5`, `created`.
    pub fn attribute(&self, key: &str) -> Option<String> {
        attribute(self.0.get("attributes")?, key)
    }

    /// The messages of the exceptions that it has.
    pub fn exceptions(&self) -> Vec<String> {
        let events = self.0.get("events").and_then(Value::as_array);
        let events = events.into_iter().flatten();
        let message = |event: &Value| attribute(event.get("attributes")?, "exception.message");
        events.filter_map(message).collect()
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

fn attribute(attributes: &Value, key: &str) -> Option<String> {
    let known = attributes.as_array()?.iter().find(|one| one.get("key") == Some(&key.into()))?;
    let value = known.get("value")?.as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The spans of an encoded request.
fn spans_of(request: &[u8]) -> Vec<Span> {
    let json = obs_otlp::json_of(obs_otlp::Signal::Traces, request);
    let request: Value = serde_json::from_str(&json).unwrap_or_default();
    let list = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let resources = list(&request, "resourceSpans");
    let scopes = resources.iter().flat_map(|resource| list(resource, "scopeSpans"));
    scopes.flat_map(|scope| list(&scope, "spans")).map(Span).collect()
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
