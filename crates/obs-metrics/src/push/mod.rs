//! Pushing a registry to an OpenTelemetry collector, for what Prometheus cannot reach.

mod pusher;
mod shared;
mod worker;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use obs_guard::fork_generation;
use obs_otlp::environment::Variable;
use obs_otlp::{
    Blocking, Defaults, Exporter, Exporters, Lookup, Options, Resolver, Resource, Setting, Signal,
    Warning,
};

pub use pusher::{PushCounts, Pusher};

use crate::error::Error;
use crate::registry::Registry;
use shared::{Counters, MAX_WAIT, Shared};
use worker::Worker;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// How long a push is retried by default. The numbers are cumulative: the next push makes up for a lost one.
const DEFAULT_RETRY_FOR: Duration = Duration::from_secs(30);

/// How a registry is pushed over OTLP: gRPC, or HTTP with protobuf or JSON (`https://` with the feature `otlp-tls`).
///
/// Counters and histograms go as cumulative sums and explicit-bucket histograms with their exemplars, gauges
/// as gauges, under the names of the text format; what `http::ServerMetrics` measures under OpenTelemetry's
/// (`http.server.request.duration`); summaries, infos and state sets as their lines. A push that fails in
/// a way that may pass is repeated, for at most 30 s and no longer than the interval: the numbers are cumulative, and
/// the next push makes up for one that is given up.
///
/// ```no_run
/// use std::time::Duration;
/// use obs_metrics::Push;
///
/// let registry = obs_metrics::default_registry();
/// let pusher = Push::new("http://127.0.0.1:4318")
///     .resource([("service.name", "orders")])
///     .start(registry)?;
/// // at the end of the process:
/// pusher.shutdown(Duration::from_secs(5));
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is pushed before `start`"]
pub struct Push {
    otlp: Options,
    lookup: Option<Lookup>,
    interval: Option<Duration>,
    resource: Vec<(String, String)>,
}

impl Push {
    /// The collector at this address: `http://host:4317`, `http://host:4318`, where `/v1/metrics` is added unless it is
    /// there, or `unix:` and the path of a socket. An empty one leaves it to [`Push::environment`].
    pub fn new(endpoint: impl Into<String>) -> Self {
        let endpoint = Some(endpoint.into()).filter(|endpoint| !endpoint.is_empty());
        Self {
            otlp: Options { endpoint, ..Options::default() },
            lookup: None,
            interval: None,
            resource: Vec::new(),
        }
    }

    /// Reads the `OTEL_*` variables with this function, for all that the code does not say. They may turn the push
    /// off (`OTEL_SDK_DISABLED`, `OTEL_METRICS_EXPORTER`, or no endpoint): then [`Push::start`] starts no thread.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    obs_otlp::option_methods!(otlp);

    /// The time between two pushes. Default: 60 s; at least 1 ms, at most a year.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval.clamp(Duration::from_millis(1), MAX_WAIT));
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

    /// Every setting that would be in force, and where each comes from; and the environment variables that are left
    /// out because of what they hold, each as a sentence with its remedy.
    ///
    /// # Errors
    ///
    /// An endpoint, a header, a certificate or a proxy is not what it must be.
    pub fn settings(&self) -> Result<(Vec<Setting>, Vec<String>), Error> {
        Ok(self.resolve()?.resolver.into_parts())
    }

    /// Starts the thread that pushes this registry. The pushes are counted there, in
    /// `obs_metrics_pushes_total{result}`.
    ///
    /// # Errors
    ///
    /// When the endpoint is no URL that can be pushed to, a header is none, or no thread can be started.
    pub fn start(self, registry: &Registry) -> Result<Pusher, Error> {
        let Resolved { exporter, resource, interval, resolver } = self.resolve()?;
        let pushes = registry.counter_vec(
            "obs_metrics_pushes_total",
            "Pushes of this registry over OTLP.",
            ["result"],
        )?;
        let rejected = registry.counter(
            "obs_metrics_push_rejected_total",
            "Data points that a collector refused of pushes that it took.",
        )?;
        let counters = Counters {
            delivered: pushes.handle(["ok"]),
            failed: pushes.handle(["failed"]),
            unknown: pushes.handle(["unknown"]),
            rejected,
        };
        let (closer, closing) = obs_otlp::closing();
        let shared = Arc::<Shared>::default();
        let mut pusher = Pusher {
            shared: Arc::clone(&shared),
            counters: counters.clone(),
            closer,
            thread: Mutex::default(),
            is_on: exporter.is_some(),
            generation: fork_generation(),
        };
        let Some(exporter) = exporter else { return Ok(pusher) };
        let worker = Worker {
            warning: Warning::new(Signal::Metrics, exporter.endpoint()),
            blocking: Blocking::new(exporter, closing).map_err(push_error)?,
            shared,
            registry: registry.clone(),
            resource,
            interval,
            counters,
            ignored: resolver.into_parts().1,
        };
        let thread = std::thread::Builder::new()
            .name("obs-metrics".into())
            .spawn(move || worker.run())
            .map_err(|error| {
                Error::unsupported(format!("no thread to push metrics: {error}; free some"))
            })?;
        pusher.thread = Mutex::new(Some(thread));
        Ok(pusher)
    }

    fn resolve(&self) -> Result<Resolved, Error> {
        let mut resolver = Resolver::new(self.lookup.clone());
        let sdk = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let resource = Resource::resolve(sdk, "", &self.resource, &mut resolver);
        let wanted = Exporters::resolve(Signal::Metrics, &mut resolver);
        let names = &["OTEL_METRIC_EXPORT_INTERVAL"];
        let interval =
            resolver.millis("interval", self.interval, names, DEFAULT_INTERVAL).min(MAX_WAIT);
        check_only(
            &mut resolver,
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
            "metrics are what Prometheus shows, which is cumulative: give cumulative, and let the collector's \
             cumulativetodelta processor make the differences",
        );
        check_only(
            &mut resolver,
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "explicit_bucket_histogram",
            "the buckets are those of the registry: give explicit_bucket_histogram",
        );
        let defaults = Defaults {
            timeout_variables: &["OTEL_METRIC_EXPORT_TIMEOUT"],
            retry_variables: &[],
            retry_for: DEFAULT_RETRY_FOR.min(interval),
        };
        let exporter = self.otlp.exporter(Signal::Metrics, wanted, defaults, &mut resolver);
        Ok(Resolved { exporter: exporter.map_err(push_error)?, resource, interval, resolver })
    }
}

/// The settings that code, environment and defaults resolve to.
struct Resolved {
    exporter: Option<Exporter>,
    resource: Resource,
    interval: Duration,
    resolver: Resolver,
}

/// Ignores, with a warning, a value of the variable that this crate does not support.
fn check_only(resolver: &mut Resolver, name: &'static str, known: &str, remedy: &str) {
    let parse = |text: &str| text.eq_ignore_ascii_case(known).then_some(());
    let variable = Variable { names: &[name], parse: &parse, remedy };
    resolver.check(&variable);
}

fn push_error(error: obs_otlp::Error) -> Error {
    Error::invalid(format!("metrics cannot be pushed: {error}"))
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers may hold secrets.
        f.debug_struct("Push").field("otlp", &self.otlp).finish_non_exhaustive()
    }
}
