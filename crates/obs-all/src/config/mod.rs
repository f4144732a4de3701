//! Settings: code over environment over defaults.

#[cfg(feature = "errors")]
mod errors;
mod explain;
mod openings;
mod parse;
mod settings;
mod signals;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use obs_health::ServerLimits;
use obs_logging::Format;
use obs_tracing::{Sampler, SpanBudget, Tail};
use tracing_subscriber::{Layer, Registry};

pub use explain::{Explanation, Origin};
#[cfg(feature = "errors")]
use openings::ErrorChange;
pub(crate) use openings::{Layers, Records};
use openings::{LogChange, TraceChange};
pub(crate) use settings::Settings;
pub(crate) use signals::Signals;
use values::Environment;
pub use values::Preset;
pub(crate) use values::{Admin, AdminPlace};

/// The configuration of one service's telemetry.
///
/// What is set here wins over the environment, and the environment over the preset's default:
///
/// | variable | what | default |
/// | --- | --- | --- |
/// | `OBS_PRESET` | `production` or `development` | `production` |
/// | `OBS_LOG`, else `RUST_LOG` | which events are logged, in `EnvFilter` syntax | `info` |
/// | `OBS_LOG_FORMAT` | `json`, `console`, or `auto` (console on a terminal) | `json`, `auto` in development |
/// | `OBS_LOG_OUTPUT` | `stdout`, `stderr`, or a file's path | `stdout` |
/// | `OBS_ACCESS_LOG` | `on` or `off`: one line per request | `off`, `on` in development |
/// | `OBS_LOG_BUDGET` | such as `1MB/s`: bytes of log lines a second; past it the cheapest are shed | none |
/// | `OBS_SPAN_BUDGET` | such as `1000/s` spans or `1MB/s`: past it whole traces are shed, those with errors are kept | none |
/// | `OBS_SERIES_BUDGET` | such as `50000`: past it new series of the largest metric share one | none |
/// | `OBS_ADMIN_ADDR` | where probes and metrics are served: an address and port, `unix:` with a path, or `off` | `127.0.0.1:9464` |
/// | `OBS_ADMIN_TOKEN` | the bearer token of `/debug` | none |
/// | `OBS_SHUTDOWN_PROPAGATION` | such as `5s`: how long to accept while readiness is 503 | `5s`, `0s` in development |
/// | `OBS_SHUTDOWN_REQUESTS` | such as `20s`: how long requests under way may take | `20s` |
/// | `OBS_SHUTDOWN_TASKS` | such as `1s`: how long background tasks, and a worker, may take to end | `1s` |
/// | `OBS_GRACE_PERIOD` | the pod's termination grace period | `30s` |
/// | `OBS_SERVER_CONNECTIONS` | connections at once | `10000` |
/// | `OBS_SERVER_HEADER_TIMEOUT` | until a request's head is complete, the first one's from the connection on | `10s` |
/// | `OBS_SERVER_BODY_TIMEOUT` | how far a request's body may fall behind its least rate | `30s` |
/// | `OBS_SERVER_MIN_BODY_RATE` | bytes a second of a request's body, 0 for none | `240` |
/// | `OBS_SERVER_WRITE_TIMEOUT` | how far a peer may fall behind with its answer | `30s` |
/// | `OBS_SERVER_MIN_WRITE_RATE` | bytes a second that a peer takes of its answer, 0 for none | `240` |
/// | `OBS_SERVER_IDLE_TIMEOUT` | between two requests of a connection; more than a load balancer's | `75s` |
/// | `OBS_SERVER_CONNECTION_AGE` | after which a connection finishes its requests and is closed | `1h` |
/// | `OBS_TRUSTED_PROXIES` | how many proxies in front of the service are believed whom they served, for `client.address` of the spans | `0` |
/// | `OBS_WATCHDOG` | `on` or `off`: `/healthz` answers 503 while the async runtime is wedged | `on` |
/// | `OBS_QUERY_METRICS` | `on` or `off`: the duration of every SQL query as `db_client_operation_duration_seconds`, those of unsampled traces too, for which sqlx then formats its event (about 15,000 instructions a query) | `on` where metrics are pushed |
/// | `OBS_PROFILING` | `on` or `off`: `/debug/pprof/` on the admin server; with the feature `profiling` | `off` |
/// | `OBS_HEALTH_DISABLE` | checks to take out, such as `redis,search`; an unknown name is an error when serving starts | none |
/// | `OBS_PRICE_LOGS_GB`, `OBS_PRICE_SPANS_GB` | what a gigabyte costs where it is stored, for the estimate on `/debug/cost` | none |
/// | `OBS_PRICE_SERIES` | what a series costs a month | none |
/// | `OBS_PRICE_INSTANCES` | as many instances as this one | `1` |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | where traces, metrics and log lines are sent: `http://127.0.0.1:4317` | nothing is sent |
/// | `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER` | `otlp`, or `none` for a signal that the endpoint does not take; metrics are scraped and lines written either way | `otlp` |
/// | `OTEL_SDK_DISABLED` | `true`: no signal is sent | `false` |
/// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | the service's name, before the one in the code, and more of who it is | |
/// | `OTEL_*` | protocol, headers, timeouts, sampler, limits, as OpenTelemetry names them | |
///
/// A wrong `OBS_*` value is an error. A wrong `OTEL_*` value is left out with a warning, unless it says where telemetry
/// goes or with which secrets: then it is an error, too.
#[must_use = "call `init`"]
pub struct Config {
    service: String,
    environment: Environment,
    preset: Option<Preset>,
    log_filter: Option<String>,
    log_format: Option<Format>,
    log_output: Option<String>,
    access_log: Option<bool>,
    log_budget: Option<u64>,
    span_budget: Option<SpanBudget>,
    series_budget: Option<usize>,
    admin_place: Option<AdminPlace>,
    admin_token: Option<String>,
    propagation: Option<Duration>,
    requests: Option<Duration>,
    tasks: Option<Duration>,
    grace_period: Option<Duration>,
    server_limits: Option<ServerLimits>,
    trusted_proxies: Option<u8>,
    watchdog: Option<bool>,
    query_metrics: Option<bool>,
    #[cfg(feature = "profiling")]
    profiling: Option<bool>,
    disabled_checks: Option<Vec<String>>,
    otlp_endpoint: Option<String>,
    sampler: Option<Sampler>,
    tail: Option<Tail>,
    database_system: Option<String>,
    database_namespace: Option<String>,
    #[cfg(feature = "errors")]
    errors: Option<ErrorChange>,
    resource: Vec<(String, String)>,
    logging: Option<LogChange>,
    tracing: Option<TraceChange>,
    pub(crate) layers: Layers,
}

impl Config {
    /// The configuration of the service of this name; it reads the process's environment.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            environment: Arc::new(|name: &str| std::env::var(name).ok()),
            preset: None,
            log_filter: None,
            log_format: None,
            log_output: None,
            access_log: None,
            log_budget: None,
            span_budget: None,
            series_budget: None,
            admin_place: None,
            admin_token: None,
            propagation: None,
            requests: None,
            tasks: None,
            grace_period: None,
            server_limits: None,
            trusted_proxies: None,
            watchdog: None,
            query_metrics: None,
            #[cfg(feature = "profiling")]
            profiling: None,
            disabled_checks: None,
            otlp_endpoint: None,
            sampler: None,
            tail: None,
            database_system: None,
            database_namespace: None,
            #[cfg(feature = "errors")]
            errors: None,
            resource: Vec::new(),
            logging: None,
            tracing: None,
            layers: Layers::new(),
        }
    }

    /// Reads variables from here instead of the process's environment.
    pub fn environment(
        mut self,
        read: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Arc::new(read);
        self
    }

    /// Which defaults to start from.
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// Which events are logged, in `EnvFilter` syntax: `info,sqlx=warn`.
    pub fn log_filter(mut self, filter: impl Into<String>) -> Self {
        self.log_filter = Some(filter.into());
        self
    }

    /// How lines look.
    pub fn log_format(mut self, format: Format) -> Self {
        self.log_format = Some(format);
        self
    }

    /// Where lines go: `stdout`, `stderr`, or a file's path.
    pub fn log_output(mut self, output: impl Into<String>) -> Self {
        self.log_output = Some(output.into());
        self
    }

    /// Whether each request gets a line of its own.
    pub fn access_log(mut self, on: bool) -> Self {
        self.access_log = Some(on);
        self
    }

    /// Bytes of log lines a second, of each output: past it the cheapest lines are shed, errors never. See
    /// [`obs_logging::Builder::budget`].
    pub fn log_budget(mut self, bytes_per_second: u64) -> Self {
        self.log_budget = Some(bytes_per_second);
        self
    }

    /// Spans, or their bytes, a second: past it whole traces are shed, those with errors are kept. See
    /// [`obs_tracing::Builder::span_budget`].
    pub fn span_budget(mut self, budget: SpanBudget) -> Self {
        self.span_budget = Some(budget);
        self
    }

    /// Series of the process's registry: past it new ones of the largest metric share one. See
    /// [`obs_metrics::Registry::set_series_budget`].
    pub fn series_budget(mut self, most: usize) -> Self {
        self.series_budget = Some(most);
        self
    }

    /// Where probes, metrics and debug endpoints are served; `None` serves none.
    pub fn admin_addr(mut self, addr: Option<SocketAddr>) -> Self {
        self.admin_place = Some(addr.map_or(AdminPlace::Off, AdminPlace::Tcp));
        self
    }

    /// Serves probes, metrics and debug endpoints on a Unix-domain socket of mode 0600 instead.
    pub fn admin_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.admin_place = Some(AdminPlace::Unix(path.into()));
        self
    }

    /// The bearer token of everything under `/debug`.
    pub fn admin_token(mut self, token: impl Into<String>) -> Self {
        self.admin_token = Some(token.into());
        self
    }

    /// Whether the admin server takes profiles: `/debug/pprof/`, behind the token like all of `/debug`.
    #[cfg(feature = "profiling")]
    pub fn profiling(mut self, on: bool) -> Self {
        self.profiling = Some(on);
        self
    }

    /// How long to accept connections while readiness is 503 already.
    pub fn propagation(mut self, wait: Duration) -> Self {
        self.propagation = Some(wait);
        self
    }

    /// How long requests under way may take at shutdown.
    pub fn requests_deadline(mut self, deadline: Duration) -> Self {
        self.requests = Some(deadline);
        self
    }

    /// How long background tasks, and a worker, may take to end at shutdown.
    pub fn tasks_deadline(mut self, deadline: Duration) -> Self {
        self.tasks = Some(deadline);
        self
    }

    /// The pod's termination grace period.
    pub fn grace_period(mut self, period: Duration) -> Self {
        self.grace_period = Some(period);
        self
    }

    /// What the application's server allows a connection: all of it, the environment is not read then.
    pub fn server_limits(mut self, limits: ServerLimits) -> Self {
        self.server_limits = Some(limits);
        self
    }

    /// How many proxies in front of the service are trusted to add whom they served to `Forwarded` or
    /// `X-Forwarded-For`: the spans' `client.address` is taken from there, that many from the right. With 0
    /// neither header is read, and the client is the connection's peer.
    pub fn trusted_proxies(mut self, proxies: u8) -> Self {
        self.trusted_proxies = Some(proxies);
        self
    }

    /// Whether `/healthz` answers 503 while the async runtime is wedged.
    pub fn watchdog(mut self, on: bool) -> Self {
        self.watchdog = Some(on);
        self
    }

    /// Whether the duration of every SQL query is measured, also where its trace is not sampled. Where nothing is
    /// said it is measured where metrics are pushed.
    pub fn query_metrics(mut self, on: bool) -> Self {
        self.query_metrics = Some(on);
        self
    }

    /// Takes these health checks out: shown as `disabled`, neither run nor counted.
    pub fn disable_checks<Name: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = Name>,
    ) -> Self {
        self.disabled_checks = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Where traces, metrics and log lines are sent: `http://127.0.0.1:4317`. The protocol is gRPC, or protobuf over
    /// HTTP where the port is 4318 or there is a path, unless `OTEL_EXPORTER_OTLP_PROTOCOL` says otherwise.
    pub fn otlp_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.otlp_endpoint = Some(endpoint.into());
        self
    }

    /// Which traces are kept.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Of the traces that the sampler turns down, which are kept after all: those with errors, slow ones.
    pub fn tail(mut self, tail: Tail) -> Self {
        self.tail = Some(tail);
        self
    }

    /// What sqlx talks to, for the SQL spans' `db.system.name`: `postgresql`, `sqlite`, `mysql`.
    pub fn database_system(mut self, name: impl Into<String>) -> Self {
        self.database_system = Some(name.into());
        self
    }

    /// The database that sqlx talks to, for the SQL spans' `db.namespace`: its name, with its schema where there
    /// is one (`shop|public` in PostgreSQL's case).
    pub fn database_namespace(mut self, name: impl Into<String>) -> Self {
        self.database_namespace = Some(name.into());
        self
    }

    /// Changes how errors are tracked: `|errors| errors.release(obs_all::errors::release!())`, a sink of one's
    /// own in place of Sentry's, more names to redact. It is applied after the environment's variables.
    #[cfg(feature = "errors")]
    pub fn errors(
        mut self,
        change: impl Fn(obs_errors::Builder) -> obs_errors::Builder + Send + Sync + 'static,
    ) -> Self {
        self.errors = Some(Arc::new(change));
        self
    }

    /// An attribute of every signal's resource, such as `deployment.environment.name`; the same name in
    /// `OTEL_RESOURCE_ATTRIBUTES` wins. `service.name` is the name that the configuration was made with.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// Changes how lines are made, with everything that [`obs_logging::Builder`] has: `|logs|
    /// logs.static_field("region", "eu").redact(["iban"])`, processors, sampling, a rate limit. It is applied
    /// after the environment's variables, to the lines and to the records for a collector alike; where they go
    /// is set by [`Config::log_output`] and the endpoint.
    pub fn logging<S: obs_logging::stage::Stage>(
        mut self,
        change: impl Fn(obs_logging::Builder) -> obs_logging::Builder<S> + Send + Sync + 'static,
    ) -> Self {
        self.logging = Some(openings::log_change(change));
        self
    }

    /// Changes how traces are made, with everything that [`obs_tracing::Builder`] has: resource attributes,
    /// limits, a batch's size, propagators. It is applied after the environment's variables.
    pub fn tracing(
        mut self,
        change: impl Fn(obs_tracing::Builder) -> obs_tracing::Builder + Send + Sync + 'static,
    ) -> Self {
        self.tracing = Some(Arc::new(change));
        self
    }

    /// Adds a layer of one's own to the process's subscriber, as often as there are layers: the layer of
    /// tokio-console, of another error tracker, of a test. It sees every span and event that its own filter
    /// lets through ([`Layer::with_filter`]), and without a filter all of them; what the lines and the traces
    /// hold stays as it is.
    ///
    /// With a layer of one's own, spans and events go through `tracing_subscriber`'s filters for each layer,
    /// which costs some tens of nanoseconds a span.
    pub fn layer(mut self, layer: impl Layer<Registry> + Send + Sync + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    pub(crate) fn build_logs(
        &self,
        builder: obs_logging::Builder,
        budget: Option<u64>,
        records: Option<Records<'_>>,
    ) -> Result<openings::Logs, obs_logging::Error> {
        let builder = match budget {
            Some(bytes_per_second) => builder.budget(bytes_per_second),
            None => builder,
        };
        match &self.logging {
            Some(change) => change(builder, records),
            None => openings::build(builder, records),
        }
    }

    /// Changes the traces after the application has.
    pub(crate) fn tracing_at_last(
        mut self,
        change: impl Fn(obs_tracing::Builder) -> obs_tracing::Builder + Send + Sync + 'static,
    ) -> Self {
        let earlier = self.tracing.take();
        self.tracing = Some(Arc::new(move |traces| match &earlier {
            Some(earlier) => change(earlier(traces)),
            None => change(traces),
        }));
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("service", &self.service).finish_non_exhaustive()
    }
}
