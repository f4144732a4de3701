//! Builds a pipeline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use obs_otlp::{Closer, Error, Lookup, Options, Resolver, Resource, Setting};
use tracing::level_filters::LevelFilter;

use crate::configure;
use crate::export::{ExportSettings, Function, RequestHead, Transport, Worker};
use crate::handle::Handle;
use crate::layer::TraceLayer;
use crate::pipeline::Pipeline;
use crate::propagate::Propagators;
use crate::queue::Queue;
use crate::record::{Limits, Tail};
use crate::sample::{Ceiling, Rules, Sampler, SpanBudget};
use crate::sql::{Database, OnQuery, Query};
use crate::traces::Traces;

/// Spans of the largest size that the limits allow would fill the memory of a queue that counts spans.
const QUEUE_BYTES: u64 = 64 * 1024 * 1024;

/// Builds a pipeline. What is set here overrides `OTEL_*` variables, and those
/// before the defaults.
///
/// ```no_run
/// use obs_tracing::{Builder, Sampler};
/// use tracing_subscriber::prelude::*;
///
/// let (layer, traces) = Builder::new("orders")
///     .environment(|name| std::env::var(name).ok())
///     .sampler(Sampler::parent_based(Sampler::ratio(0.1)))
///     .build()?;
/// tracing_subscriber::registry().with(layer).init();
/// # drop(traces);
/// # Ok::<(), obs_tracing::Error>(())
/// ```
#[must_use = "call `build`"]
pub struct Builder {
    pub(crate) service: String,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) otlp: Options,
    pub(crate) function: Option<Function>,
    #[cfg(feature = "otel-sdk")]
    pub(crate) exporter: Option<Box<dyn crate::export::Exporter>>,
    #[cfg(feature = "otel-sdk")]
    pub(crate) activates_context: bool,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) tail: Option<Tail>,
    pub(crate) span_budget: Option<SpanBudget>,
    pub(crate) propagators: Option<Propagators>,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) limits: Option<Limits>,
    pub(crate) database: Database,
    pub(crate) queue: Option<u32>,
    pub(crate) batch: Option<u32>,
    pub(crate) delay: Option<Duration>,
    pub(crate) open_spans: usize,
    pub(crate) copy_level: LevelFilter,
}

impl Builder {
    /// For the service of this name (`service.name`). An empty name leaves it to `OTEL_SERVICE_NAME`.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            lookup: None,
            otlp: Options::default(),
            function: None,
            #[cfg(feature = "otel-sdk")]
            exporter: None,
            #[cfg(feature = "otel-sdk")]
            activates_context: false,
            sampler: None,
            tail: None,
            span_budget: None,
            propagators: None,
            resource: Vec::new(),
            limits: None,
            database: Database::default(),
            queue: None,
            batch: None,
            delay: None,
            open_spans: 100_000,
            copy_level: LevelFilter::OFF,
        }
    }

    /// Reads the `OTEL_*` variables with this function, for all that the code does not say.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    /// Where the collector listens, such as `http://127.0.0.1:4317`. Nothing is sent until there is
    /// an endpoint, here or in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.otlp.endpoint = Some(endpoint.into());
        self
    }

    obs_otlp::option_methods!(otlp);

    /// Hands every encoded `ExportTraceServiceRequest`, with its number of spans, to this function
    /// instead of a collector: for tests, and for transports of your own. An error loses the spans.
    pub fn export_with(
        mut self,
        function: impl FnMut(&[u8], usize) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.function = Some(Box::new(function));
        self
    }

    /// Hands spans to an exporter made for OpenTelemetry's SDK instead of a collector. It runs on the
    /// export thread, in a runtime of tokio's; what it fails to export is lost and counted, since trying
    /// again is its own business.
    #[cfg(feature = "otel-sdk")]
    pub fn exporter(
        mut self,
        exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static,
    ) -> Self {
        self.exporter = Some(Box::new(exporter));
        self
    }

    /// Makes every span that is entered the current one of OpenTelemetry's own API, too, for libraries that
    /// use it directly: what they create is its child. It costs every enter and exit some 100 ns. Default: off.
    #[cfg(feature = "otel-sdk")]
    pub fn activate_context(mut self) -> Self {
        self.activates_context = true;
        self
    }

    /// Which traces are kept. By default all those of callers who keep theirs, and all of our own.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Which of the unsampled traces are kept after all. Default: none.
    pub fn tail(mut self, tail: Tail) -> Self {
        self.tail = Some(tail);
        self
    }

    /// How much is exported at most, in bursts of up to one second's worth. Past it whole traces are shed: the share of
    /// traces that are kept is lowered, by the trace id, until the rest fits. A trace with an error, or what else
    /// [`Builder::tail`] names, is kept all the same, so shed traces are recorded until they end; what is kept for
    /// that leaves less for the others. A warning tells of it, at most once in half a minute; [`Traces::budget`] and
    /// `obs_traces_shed_total` count the traces.
    pub fn span_budget(mut self, budget: SpanBudget) -> Self {
        self.span_budget = Some(budget);
        self
    }

    /// The formats in which context is read and written: see [`Traces::propagators`].
    pub fn propagators(mut self, propagators: Propagators) -> Self {
        self.propagators = Some(propagators);
        self
    }

    /// An attribute that all spans of this process share, such as `deployment.environment.name`.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((key.into(), value.into()));
        self
    }

    /// How much one span may hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// `db.system.name` of the SQL spans: `postgresql`, `sqlite`, `mysql`. sqlx does not report it.
    pub fn database_system(mut self, name: impl Into<String>) -> Self {
        self.database.system = Some(name.into());
        self
    }

    /// `db.namespace` of the SQL spans: the database's name, with its schema where there is one (`shop|public`
    /// in PostgreSQL's case). sqlx does not report it.
    pub fn database_namespace(mut self, name: impl Into<String>) -> Self {
        self.database.namespace = Some(name.into());
        self
    }

    /// Calls this function at the end of every query of sqlx's, of a sampled trace or not, on the query's thread:
    /// to measure it. It does not get the query's success, since sqlx does not report it. A panic in it is counted
    /// (`tracing.on_query`). With a [`TraceFilter`](crate::TraceFilter), say
    /// [`every_query`](crate::TraceFilter::every_query) there.
    pub fn on_query(mut self, function: impl Fn(&Query<'_>) + Send + Sync + 'static) -> Self {
        self.database.on_query = Some(OnQuery::new(function));
        self
    }

    /// Ended spans that wait for the export at most. 32,768; and never more than 64 MiB of them.
    pub fn queue_size(mut self, spans: u32) -> Self {
        self.queue = Some(spans);
        self
    }

    /// Spans in one request at most. 2,048.
    pub fn batch_size(mut self, spans: u32) -> Self {
        self.batch = Some(spans);
        self
    }

    /// The longest that an ended span waits for others. 1 s.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// The limit of open spans, so that leaked spans do not fill the memory. What is
    /// past it is counted as dropped. 100,000.
    pub fn open_spans(mut self, spans: usize) -> Self {
        self.open_spans = spans;
        self
    }

    /// Copies the log's events of this level and above into their spans. Default: none, since the trace
    /// id in the log joins them, and copies are most of the bytes of a trace. Events of level ERROR are
    /// exceptions of their spans either way. With a [`TraceFilter`](crate::TraceFilter), set the same level
    /// there: [`TraceFilter::events`](crate::TraceFilter::events).
    pub fn copy_events(mut self, level: LevelFilter) -> Self {
        self.copy_level = level;
        self
    }

    /// Every setting that [`Builder::build`] would put into force, and where each comes from; nothing is
    /// started.
    ///
    /// # Errors
    ///
    /// An environment variable or an argument holds what it must not.
    pub fn settings(mut self) -> Result<Vec<Setting>, Error> {
        Ok(self.resolve()?.resolver.into_parts().0)
    }

    /// Puts it together, and starts the export thread where there is an endpoint.
    ///
    /// # Errors
    ///
    /// An environment variable or an argument holds what it must not; or the export thread cannot be
    /// started.
    pub fn build(mut self) -> Result<(TraceLayer, Traces), Error> {
        let resolved = self.resolve()?;
        let (settings, ignored) = resolved.resolver.into_parts();
        let export_settings = resolved.export_settings;
        let queue = resolved.queue;
        let queue = Queue::new(queue, QUEUE_BYTES, export_settings.batch.min(queue / 2).max(1));
        let exporting = resolved.transport.is_some();
        let (rules, limits) = (Rules::new(resolved.sampler, self.tail.take()), resolved.limits);
        let (database, copy_level, open) =
            (std::mem::take(&mut self.database), self.copy_level, self.open_spans);
        let mut pipeline =
            Pipeline::new(exporting, rules, limits, database, copy_level, open, queue);
        pipeline.propagators = resolved.propagators;
        pipeline.ceiling = self.span_budget.filter(|_| exporting).map(Ceiling::new);
        #[cfg(feature = "otel-sdk")]
        {
            pipeline.activates_context = self.activates_context;
        }
        let pipeline = Arc::new(pipeline);
        let closing = match resolved.transport {
            None => None,
            Some(transport) => Some(start(
                &pipeline,
                &resolved.resource,
                export_settings,
                transport,
                ignored.clone(),
            )?),
        };
        let handle = Handle::new(pipeline);
        let layer = TraceLayer::new(handle.clone());
        Ok((layer, Traces::new(handle, closing, settings, ignored)))
    }

    fn resolve(&mut self) -> Result<Resolved, Error> {
        let mut resolver = Resolver::new(self.lookup.take());
        let sdk = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let resource = Resource::resolve(sdk, &self.service, &self.resource, &mut resolver);
        self.database.explain(&mut resolver);
        let own = self.custom_transport(&resource);
        Ok(Resolved {
            sampler: configure::sampler(&mut resolver, self.sampler.take()),
            propagators: configure::propagators(&mut resolver, self.propagators),
            limits: configure::limits(&mut resolver, self.limits),
            export_settings: configure::export_settings(
                &mut resolver,
                self.delay,
                self.batch,
                self.otlp.timeout,
            ),
            queue: configure::queue(&mut resolver, self.queue),
            transport: configure::transport(&mut resolver, own, &self.otlp)?,
            resource,
            resolver,
        })
    }

    /// What takes the place of a collector.
    fn custom_transport(&mut self, resource: &Resource) -> Option<Transport> {
        #[cfg(not(feature = "otel-sdk"))]
        let _ = resource; // requests begin with it, which are encoded elsewhere
        #[cfg(feature = "otel-sdk")]
        if let Some(mut exporter) = self.exporter.take() {
            exporter.begin(resource);
            return Some(Transport::Sdk(exporter));
        }
        self.function.take().map(Transport::Function)
    }
}

/// What code, environment and defaults come to.
struct Resolved {
    resource: Resource,
    sampler: Sampler,
    propagators: Propagators,
    limits: Limits,
    export_settings: ExportSettings,
    queue: usize,
    transport: Option<Transport>,
    resolver: Resolver,
}

fn start(
    pipeline: &Arc<Pipeline>,
    resource: &Resource,
    export_settings: ExportSettings,
    transport: Transport,
    ignored: Vec<String>,
) -> Result<Closer, Error> {
    let (closer, closing) = obs_otlp::closing();
    let (pipeline, head) = (Arc::clone(pipeline), RequestHead::new(resource));
    Worker::start(pipeline, head, export_settings, closing, transport, ignored).map_err(
        |error| {
            Error::new(
                format_args!("the export thread cannot be started: {error}"),
                "raise the limits on threads and open files of the process",
            )
        },
    )?;
    Ok(closer)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("service", &self.service).finish_non_exhaustive()
    }
}
