//! Pushing a registry to an OpenTelemetry collector, for what Prometheus cannot reach.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ureq::http::{HeaderName, HeaderValue};

use crate::{Counter, Error, Registry};

/// The longest wait: a clock cannot be told of `Duration::MAX`.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a registry is pushed over OTLP (HTTP with protobuf; `https://` with the feature `otlp-tls`).
///
/// There is no gRPC: it would bring an asynchronous runtime and HTTP/2 into a crate that needs neither,
/// for the same bytes to the same collectors, which all take both (port 4318 beside 4317).
///
/// Counters and histograms go as cumulative sums and explicit-bucket histograms with their exemplars, gauges
/// as gauges, under the names of the text format; summaries, infos and state sets as their lines.
///
/// ```no_run
/// use std::time::Duration;
/// use obs_metrics::Push;
///
/// let registry = obs_metrics::default_registry();
/// let pusher = Push::new("http://127.0.0.1:4318/v1/metrics")
///     .resource([("service.name", "orders")])
///     .start(registry)?;
/// // at the end of the process:
/// pusher.shutdown(Duration::from_secs(5));
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is pushed before `start`"]
pub struct Push {
    endpoint: String,
    interval: Duration,
    timeout: Duration,
    headers: Vec<(String, String)>,
    resource: Vec<(String, String)>,
    #[cfg(feature = "gzip")]
    gzip: bool,
}

impl Push {
    /// Pushes to this URL, as it is: a collector's is `http://127.0.0.1:4318/v1/metrics`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            headers: Vec::new(),
            resource: Vec::new(),
            #[cfg(feature = "gzip")]
            gzip: false,
        }
    }

    /// The time between two pushes. Default: 60 s; at least 1 ms, at most a year.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(Duration::from_millis(1), MAX_WAIT);
        self
    }

    /// The time after which a push is given up. Default: 10 s; at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_WAIT);
        self
    }

    /// Sends this header with every push.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Who pushes: `service.name` and other attributes of the resource.
    pub fn resource<K: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.resource.extend(attributes);
        self
    }

    /// Compresses every push.
    #[cfg(feature = "gzip")]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Starts the thread that pushes this registry. The pushes are counted there, in
    /// `obs_metrics_pushes_total{result}`.
    ///
    /// # Errors
    ///
    /// When the endpoint is no URL that can be pushed to, a header is none, or no thread can be started.
    pub fn start(self, registry: &Registry) -> Result<Pusher, Error> {
        let uri: Option<ureq::http::Uri> = self.endpoint.parse().ok();
        let (schemes, https): (&[&str], _) = match cfg!(feature = "otlp-tls") {
            true => (&["http", "https"], ""),
            false => (&["http"], "; for https, turn the feature `otlp-tls` on"),
        };
        let is_known = |uri: &ureq::http::Uri| {
            uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)) && uri.host().is_some()
        };
        if !uri.as_ref().is_some_and(is_known) {
            return Err(Error::invalid(format!(
                "metrics cannot be pushed to `{}`: give a URL such as \
                 http://127.0.0.1:4318/v1/metrics{https}",
                self.endpoint
            )));
        }
        for (name, value) in &self.headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                // The value may be a secret.
                return Err(Error::invalid(format!(
                    "the header `{name}` cannot be sent with pushed metrics: give a name of letters, \
                     digits and `-`, and a value without line breaks"
                )));
            }
        }
        let pushes = registry.counter_vec(
            "obs_metrics_pushes_total",
            "Pushes of this registry over OTLP.",
            ["result"],
        )?;
        // A redirect would turn the push into a GET, and send its headers elsewhere.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        let worker = Worker {
            agent: config.into(),
            shared: Arc::default(),
            registry: registry.clone(),
            delivered: pushes.handle(["ok"]),
            failed: pushes.handle(["failed"]),
            is_failing: Cell::new(false),
            push: self,
        };
        let (shared, delivered, failed) =
            (worker.shared.clone(), worker.delivered.clone(), worker.failed.clone());
        let thread = std::thread::Builder::new()
            .name("obs-metrics".into())
            .spawn(move || worker.run())
            .map_err(|error| {
                Error::unsupported(format!("no thread to push metrics: {error}; free some"))
            })?;
        Ok(Pusher { shared, delivered, failed, thread: Mutex::new(Some(thread)) })
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold secrets.
        let endpoint = &self.endpoint;
        f.debug_struct("Push").field("endpoint", endpoint).finish_non_exhaustive()
    }
}

/// The thread that pushes a registry: made by [`Push::start`]. Dropping it ends the thread without a last
/// push; [`Pusher::shutdown`] pushes once more.
#[derive(Debug)]
#[must_use = "pushing ends when this is dropped: keep it"]
pub struct Pusher {
    shared: Arc<Shared>,
    delivered: Counter,
    failed: Counter,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Pusher {
    /// Pushes now, and waits until that is done or so long; tells whether the collector took it.
    pub fn flush(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline.min(MAX_WAIT);
        let mut state = self.shared.lock();
        if state.ended {
            return false;
        }
        state.asked += 1;
        let mine = state.asked;
        self.shared.changed.notify_all();
        while state.answered < mine && !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.wait(state, left);
        }
        state.answered >= mine && state.succeeded
    }

    /// Pushes once more and ends the thread, waiting at most so long; tells whether the collector took
    /// the last push.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        let taken = self.flush(deadline);
        self.end();
        taken
    }

    /// Pushes that the collector took, and pushes that failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.delivered.value(), self.failed.value())
    }

    fn end(&self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A push under way ends by its timeout: nobody waits for it here.
        if let Some(thread) = thread.filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Pushes that were asked for, and how many of them are done.
    asked: u64,
    answered: u64,
    succeeded: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Worker {
    agent: ureq::Agent,
    shared: Arc<Shared>,
    registry: Registry,
    delivered: Counter,
    failed: Counter,
    /// Whether the last push failed.
    is_failing: Cell<bool>,
    push: Push,
}

impl Worker {
    fn run(self) {
        let mut next = Instant::now() + self.push.interval;
        loop {
            let mut state = self.shared.lock();
            while !state.ended && state.asked == state.answered && Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                state = self.shared.wait(state, left);
            }
            if state.ended {
                return;
            }
            let asked = state.asked;
            drop(state);
            let succeeded = self.push();
            let mut state = self.shared.lock();
            (state.answered, state.succeeded) = (asked, succeeded);
            self.shared.changed.notify_all();
            next = Instant::now() + self.push.interval;
        }
    }

    /// A push that fails is not repeated: the numbers are cumulative, so the next one makes up for it.
    fn push(&self) -> bool {
        let body = self.registry.encode_otlp(&self.push.resource);
        let request = self.agent.post(&self.push.endpoint);
        let request = request.header("content-type", "application/x-protobuf");
        #[cfg(feature = "gzip")]
        let (body, request) = match self.push.gzip {
            true => (crate::gzip::compress(&body), request.header("content-encoding", "gzip")),
            false => (body, request),
        };
        let headers = self.push.headers.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        let failure = match request.send(&body[..]) {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answered {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let Some(error) = failure else {
            self.delivered.inc();
            self.is_failing.set(false);
            return true;
        };
        self.failed.inc();
        if !self.is_failing.replace(true) {
            let endpoint = &self.push.endpoint;
            tracing::warn!(
                endpoint,
                error,
                "metrics were not pushed; the next push makes up for it (logged once an outage)"
            );
        }
        false
    }
}
