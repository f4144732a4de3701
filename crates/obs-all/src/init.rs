//! From the configuration to running telemetry.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::tracing::Dispatch;
use ::tracing::subscriber::NoSubscriber;
#[cfg(feature = "errors")]
use obs_errors::Errors;
use obs_health::admin::AdminServer;
use obs_health::lifecycle::Lifecycle;
use obs_health::{Check, Health, ServerLimits};
use obs_logging::{Delivery, LogLayer, Logging, Output};
use obs_metrics::http::{ClientMetrics, ServerMetrics};
use obs_metrics::{Buckets, Pusher, Registry};
use obs_tracing::http::{ClientSpan, ServerSpan};
use obs_tracing::{TraceFilter, Traces};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Config, Explanation, Layers, Records, Settings, Signals};
use crate::error::{Error, Kind};
use crate::layer::Pillars;
use crate::{HAS_TELEMETRY, admin, queries};

/// Sets up logs, metrics, traces, health and the admin server of this service, configured by the
/// environment: see [`Config`] for the variables and their defaults.
///
/// From now on SIGTERM and SIGINT are remembered for [`Obs::serve`]. A program that does not serve ends 5 s
/// after the first one, or at the second.
///
/// # Errors
///
/// When a variable is wrong, an address is taken, or the process has telemetry already.
pub fn init(service: &str) -> Result<Obs, Error> {
    Config::new(service).init()
}

impl Config {
    /// Sets everything up and makes it the process's telemetry.
    ///
    /// # Errors
    ///
    /// When a value is wrong, an address is taken, or the process has telemetry already.
    pub fn init(self) -> Result<Obs, Error> {
        Obs::start(self)
    }
}

/// The telemetry of this process. Dropping it without [`Obs::serve`] flushes what is buffered.
#[must_use = "the telemetry ends when this is dropped: keep it, or hand it to `serve`"]
#[cfg_attr(not(feature = "telemetry"), expect(dead_code, reason = "nothing watches requests"))]
pub struct Obs {
    pub(crate) logging: Arc<Logging>,
    pub(crate) log_records: Option<Arc<Logging>>,
    pub(crate) traces: Arc<Traces>,
    pub(crate) server_span: ServerSpan,
    pub(crate) client_span: ClientSpan,
    #[cfg(feature = "errors")]
    pub(crate) errors: Arc<Errors>,
    #[cfg(feature = "errors")]
    pub(crate) watch_errors: obs_errors::http::WatchErrors,
    pub(crate) push: Option<Arc<Pusher>>,
    registry: Registry,
    pub(crate) red: ServerMetrics,
    pub(crate) client_metrics: ClientMetrics,
    pub(crate) access_log: bool,
    pub(crate) health: Health,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) server_limits: ServerLimits,
    pub(crate) watchdog: bool,
    pub(crate) disabled_checks: Vec<String>,
    pub(crate) admin: Mutex<Option<AdminServer>>,
    /// Lines and spans that a flush has answered for.
    told_lost: AtomicU64,
    admin_addr: Option<SocketAddr>,
    explanation: Explanation,
}

impl Obs {
    /// The process's globals come last: where something fails before, they are as they were.
    pub(crate) fn start(config: Config) -> Result<Self, Error> {
        let is_taken =
            || ::tracing::dispatcher::get_default(|current| !current.is::<NoSubscriber>());
        if HAS_TELEMETRY && is_taken() {
            return Err(Error::new(Kind::Taken { source: "a subscriber is installed".into() }));
        }
        Self::assemble(config, obs_metrics::default_registry(), None, |parts| {
            if !HAS_TELEMETRY {
                return Ok(());
            }
            let logging = parts.logging;
            #[cfg(feature = "errors")]
            let errors = parts.errors;
            install(parts.subscriber())?;
            obs_logging::panic::install(logging);
            #[cfg(feature = "errors")]
            {
                // Around the logs' hook: its line names the error.
                errors.install_panic_hook();
                errors.make_global();
            }
            Ok(())
        })
    }

    /// Makes everything, with the metrics in this registry, and hands what the process or a test logs by to
    /// `install`. A test gives its output; signals and the process's own metrics are the process's alone.
    pub(crate) fn assemble(
        config: Config,
        registry: &Registry,
        of_test: Option<Output>,
        install: impl FnOnce(Parts<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let is_process = of_test.is_none();
        let settings = Settings::resolve(&config)?;
        let mut explanation = settings.explanation.clone();
        let health = Health::new();
        let lifecycle = Lifecycle::new(health.clone(), settings.deadlines.clone());
        // First of all: a container's first process gets no signal that it does not watch.
        if is_process {
            lifecycle.watch_signals().map_err(Error::part("shutdown"))?;
        }
        let budget = settings.log_budget;
        let (log_layer, logging) = match HAS_TELEMETRY {
            true => {
                let lines = obs_logging::Builder::new()
                    .format(settings.log_format)
                    .filter(settings.log_filter.clone())
                    .output(of_test.unwrap_or_else(|| output(&settings.log_output)));
                config.build_logs(lines, budget, None)
            }
            false => nowhere(),
        }
        .map_err(Error::part("logs"))?;
        let Signals { traces, push, records, ignored } = match HAS_TELEMETRY {
            true => settings.signals,
            false => Signals::off(),
        };
        let is_on = records.is_on().map_err(Error::part("logs"))?;
        let (record_layer, log_records) = is_on
            .then(|| {
                let records = Records { output: Output::otlp(records), lines: &logging };
                let built = config.build_logs(obs_logging::Builder::new(), budget, Some(records));
                built.map_err(Error::part("logs"))
            })
            .transpose()?
            .unzip();
        if settings.series_budget.is_some() {
            registry.set_series_budget(settings.series_budget);
        }
        let push = push.start(registry).map_err(Error::part("metrics"))?;
        let push = push.is_on().then(|| Arc::new(push));
        let measures_queries = settings.query_metrics.unwrap_or(push.is_some());
        let (traces, filter) = match measures_queries {
            true => {
                let traces = queries::measured(traces, registry).map_err(Error::part("metrics"))?;
                (traces, TraceFilter::default().every_query())
            }
            false => (traces, TraceFilter::default()),
        };
        let (trace_layer, traces) = traces.build().map_err(Error::part("traces"))?;
        let traces = Arc::new(traces);
        #[cfg(feature = "errors")]
        let (error_layer, errors) = {
            let told = crate::spans::told_by(&traces);
            let errors = match HAS_TELEMETRY {
                true => settings.errors.spans(told),
                false => obs_errors::Builder::new("off").environment(|_| None),
            };
            errors.build().map_err(Error::part("errors"))?
        };
        explanation.extend("traces", traces.settings());
        let logs = std::iter::once(log_layer).chain(record_layer);
        let pillars = Pillars::new(trace_layer, filter, logs);
        #[cfg(feature = "errors")]
        let pillars = pillars.with_errors(error_layer);
        let logging = Arc::new(logging);
        let client_metrics = ClientMetrics::new(registry, Buckets::default());
        let client_metrics = client_metrics.map_err(Error::part("metrics"))?;
        let no_process_metrics =
            match (HAS_TELEMETRY && is_process).then(|| obs_metrics::collect::process(registry)) {
                None => None,
                Some(Err(error)) if error.is_unsupported() => Some(error),
                Some(other) => other.map(|()| None).map_err(Error::part("metrics"))?,
            };
        let log_records = log_records.map(Arc::new);
        #[cfg(feature = "errors")]
        let errors = Arc::new(errors);
        let red = match &push {
            None => ServerMetrics::new(registry),
            Some(_) => ServerMetrics::with_push(registry, Buckets::default()),
        };
        let red = red.map_err(Error::part("metrics"))?;
        #[cfg(feature = "profiling")]
        let profiling = settings.profiling;
        #[cfg(not(feature = "profiling"))]
        let profiling = false;
        let shown = admin::Shown {
            explanation: &explanation,
            registry: registry.clone(),
            health: health.clone(),
            logging: Arc::clone(&logging),
            traces: Arc::clone(&traces),
            #[cfg(feature = "errors")]
            errors: Arc::clone(&errors),
            profiling,
            prices: settings.prices,
        };
        let admin = admin::start(&settings.admin, shown)?;
        install(Parts {
            pillars,
            layers: config.layers,
            logging: &logging,
            #[cfg(feature = "errors")]
            errors: &errors,
        })?;
        obs_otlp::warn_of_ignored(traces.ignored());
        obs_otlp::warn_of_ignored(&ignored);
        if let Some(error) = no_process_metrics {
            ::tracing::warn!(%error, "no process metrics");
        }
        let logs = match &log_records {
            None => logging.source(),
            Some(records) => Logging::source_of([("lines", &*logging), ("otlp", records)]),
        };
        for source in [logs, traces.source(), health.source()] {
            registry.mount(source);
        }
        #[cfg(feature = "errors")]
        registry.mount(errors.source());
        #[cfg(all(feature = "profiling", target_os = "linux"))]
        registry.mount(obs_profiling::source());
        Ok(Self {
            access_log: settings.access_log,
            server_limits: settings.server_limits,
            watchdog: settings.watchdog,
            disabled_checks: settings.disabled_checks,
            told_lost: AtomicU64::new(0),
            admin_addr: admin.as_ref().filter(|admin| !admin.is_unix()).map(AdminServer::addr),
            admin: Mutex::new(admin),
            explanation,
            server_span: ServerSpan::new()
                .propagators(traces.propagators())
                .trusted_proxies(settings.trusted_proxies),
            client_span: ClientSpan::new(),
            logging,
            log_records,
            traces,
            #[cfg(feature = "errors")]
            watch_errors: obs_errors::http::WatchErrors::new(&errors),
            #[cfg(feature = "errors")]
            errors,
            push,
            registry: registry.clone(),
            red,
            client_metrics,
            health,
            lifecycle,
        })
    }

    /// The service's health: add checks and start-up latches here.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Adds a readiness check.
    ///
    /// # Errors
    ///
    /// When its name is unusable or taken.
    pub fn check(&self, check: Check) -> Result<(), Error> {
        self.health.add(check).map_err(Error::part("health"))
    }

    /// The shutdown: background tasks and what is closed at the end are registered here.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The logs: levels at run time, counts, flush.
    pub fn logging(&self) -> &Logging {
        &self.logging
    }

    /// The traces: sampling at run time, counts, flush.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The errors: by place, capture, flush.
    #[cfg(feature = "errors")]
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// The registry that `/metrics` shows: the process's default one, but for a [`testing`](crate::testing) scope.
    pub fn metrics(&self) -> &Registry {
        &self.registry
    }

    /// Where the admin server listens, when there is one and it is not on a Unix-domain socket.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Every setting in force and where it comes from.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }

    /// The lines, and the records of a collector where there is one.
    pub(crate) fn log_outputs(&self) -> impl Iterator<Item = &Arc<Logging>> {
        std::iter::once(&self.logging).chain(&self.log_records)
    }

    /// Sends what is buffered, for programs that do not [`Obs::serve`]. Waits at most `deadline` for all of it; answers
    /// whether everything was delivered since the flush before it, or since the start.
    pub fn flush(&self, deadline: Duration) -> bool {
        let begun = Instant::now();
        let left = || deadline.saturating_sub(begun.elapsed());
        // Each is flushed, also after one that failed.
        let mut complete = self.push.as_ref().is_none_or(|push| push.flush(left()));
        #[cfg(feature = "errors")]
        let errors = self.errors.flush(left());
        #[cfg(feature = "errors")]
        {
            complete &= errors.complete();
        }
        complete &= self.traces.flush(left()).complete;
        for logging in self.log_outputs() {
            complete &= logging.flush(left()).complete;
        }
        let dropped = self.log_outputs().map(|logging| logging.counts().dropped).sum::<u64>();
        let lost = dropped + self.traces.counts().dropped;
        #[cfg(feature = "errors")]
        let lost = lost + errors.lost;
        let is_lost = lost > self.told_lost.fetch_max(lost, Ordering::AcqRel);
        complete && !is_lost
    }
}

impl fmt::Debug for Obs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obs").field("admin_addr", &self.admin_addr).finish_non_exhaustive()
    }
}

/// What is the process's, or a test's, to install.
pub(crate) struct Parts<'a> {
    pub(crate) pillars: Pillars,
    pub(crate) layers: Layers,
    pub(crate) logging: &'a Logging,
    #[cfg(feature = "errors")]
    pub(crate) errors: &'a Errors,
}

impl Parts<'_> {
    /// What logs and traces by them.
    pub(crate) fn subscriber(self) -> Dispatch {
        let subscriber = tracing_subscriber::registry();
        if self.layers.is_empty() {
            Dispatch::new(subscriber.with(self.pillars))
        } else {
            let filter = self.pillars.filter();
            Dispatch::new(subscriber.with(self.pillars.with_filter(filter).and_then(self.layers)))
        }
    }
}

/// Makes the process log and trace by this.
fn install(subscriber: Dispatch) -> Result<(), Error> {
    let taken = |source: Box<dyn StdError + Send + Sync>| Error::new(Kind::Taken { source });
    // A second subscriber does no harm to a logger that hands records on; the other way around it would.
    obs_logging::bridge::install().map_err(|error| taken(error.into()))?;
    ::tracing::dispatcher::set_global_default(subscriber).map_err(|error| taken(error.into()))
}

/// Logs that nobody writes, without a thread.
fn nowhere() -> Result<(LogLayer<tracing_subscriber::Registry>, Logging), obs_logging::Error> {
    obs_logging::Builder::new()
        .output(Output::writer(std::io::sink()))
        .delivery(Delivery::Blocking)
        .build()
}

fn output(name: &str) -> Output {
    match name {
        "stdout" => Output::stdout(),
        "stderr" => Output::stderr(),
        path => Output::file(path),
    }
}
