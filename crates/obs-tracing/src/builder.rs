//! How a pipeline is put together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::environment::{Lookup, Resolver, Setting};
use crate::export::{Function, Head, Pace, Transport, Worker};
use crate::layer::Handle;
use crate::pipeline::Pipeline;
use crate::propagate::Propagators;
use crate::queue::Queue;
use crate::record::Limits;
use crate::resource::Resource;
use crate::sample::{Sampler, Tail};
use crate::table::Table;
use crate::{Error, TraceLayer, Traces, configure};

/// Spans of the largest size that the limits allow would fill the memory of a queue that counts spans.
const QUEUE_BYTES: u64 = 64 * 1024 * 1024;

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC; collectors listen on port 4317.
    Grpc,
    /// Protobuf in plain HTTP requests; collectors listen on port 4318.
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, at its fastest level.
    #[cfg(feature = "gzip")]
    Gzip,
}

/// Puts a pipeline together: what the code says here counts before `OTEL_*` variables, and those
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
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) compression: Option<Compression>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry_for: Option<Duration>,
    pub(crate) function: Option<Function>,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) tail: Option<Tail>,
    pub(crate) propagators: Option<Propagators>,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) limits: Option<Limits>,
    pub(crate) database: Option<String>,
    pub(crate) queue: Option<u32>,
    pub(crate) batch: Option<u32>,
    pub(crate) delay: Option<Duration>,
    pub(crate) open_spans: usize,
}

impl Builder {
    /// For the service of this name (`service.name`). An empty name leaves it to `OTEL_SERVICE_NAME`.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            lookup: None,
            endpoint: None,
            protocol: None,
            compression: None,
            headers: Vec::new(),
            timeout: None,
            retry_for: None,
            function: None,
            sampler: None,
            tail: None,
            propagators: None,
            resource: Vec::new(),
            limits: None,
            database: None,
            queue: None,
            batch: None,
            delay: None,
            open_spans: 100_000,
        }
    }

    /// Reads the `OTEL_*` variables with this function, for all that the code does not say.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Box::new(lookup));
        self
    }

    /// Where the collector listens, such as `http://127.0.0.1:4317`. Nothing is sent until there is
    /// an endpoint, here or in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// How to speak to the collector. By default gRPC, or protobuf over HTTP where the endpoint's
    /// port is 4318.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Compresses requests.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Sends this header with every request, such as an `authorization`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The longest that one attempt of an export takes. 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The longest that all attempts of an export take together; then its spans are dropped and
    /// counted. 60 s.
    pub fn retry_for(mut self, retry_for: Duration) -> Self {
        self.retry_for = Some(retry_for);
        self
    }

    /// Hands every encoded `ExportTraceServiceRequest`, with its number of spans, to this function
    /// instead of a collector: for tests, and for transports of your own. An error loses the spans.
    pub fn export_with(
        mut self,
        function: impl FnMut(&[u8], usize) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.function = Some(Box::new(function));
        self
    }

    /// Which traces are kept. By default all those of callers who keep theirs, and all of our own.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Of the traces that the sampler turns down, which are kept after all. None, unless it is said.
    pub fn tail(mut self, tail: Tail) -> Self {
        self.tail = Some(tail);
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

    /// `db.system.name` of the SQL spans: `postgresql`, `sqlite`, `mysql`. sqlx does not tell.
    pub fn database_system(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
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

    /// Spans that are open at most, so that spans which nobody closes do not fill the memory. What is
    /// past it is counted as dropped. About 100,000.
    pub fn open_spans(mut self, spans: usize) -> Self {
        self.open_spans = spans;
        self
    }

    /// Every setting that [`Builder::build`] would put into force, and where each comes from; nothing is
    /// started.
    ///
    /// # Errors
    ///
    /// An environment variable or an argument holds what it must not.
    pub fn settings(mut self) -> Result<Vec<Setting>, Error> {
        Ok(self.resolve()?.settings)
    }

    /// Puts it together, and starts the export thread where there is an endpoint.
    ///
    /// # Errors
    ///
    /// An environment variable or an argument holds what it must not; or the export thread cannot be
    /// started.
    pub fn build(mut self) -> Result<(TraceLayer, Traces), Error> {
        let resolved = self.resolve()?;
        let pace = resolved.pace;
        let queue = resolved.queue;
        let queue = Queue::new(queue, QUEUE_BYTES, pace.batch.min(queue / 2).max(1));
        let exporting = resolved.connect.is_some();
        let (sampler, limits) = (resolved.sampler, resolved.limits);
        let (database, table) = (self.database.take(), Table::new(self.open_spans));
        let pipeline = Pipeline::new(exporting, sampler, limits, database, table, queue);
        pipeline.tail.rules.store(self.tail.take().map(Arc::new));
        let pipeline = Arc::new(pipeline);
        let closing = match resolved.connect {
            None => None,
            Some(connect) => Some(start(&pipeline, &resolved.resource, pace, connect)?),
        };
        let handle = Handle::new(pipeline);
        let layer = TraceLayer::new(handle.clone());
        Ok((layer, Traces::new(handle, closing, resolved.settings, resolved.propagators)))
    }

    fn resolve(&mut self) -> Result<Resolved, Error> {
        let mut resolver = Resolver::new(self.lookup.take());
        Ok(Resolved {
            resource: configure::resource(&mut resolver, self)?,
            sampler: configure::sampler(&mut resolver, self.sampler.take())?,
            propagators: configure::propagators(&mut resolver, self.propagators)?,
            limits: configure::limits(&mut resolver, self.limits)?,
            pace: configure::pace(&mut resolver, self)?,
            queue: configure::queue(&mut resolver, self.queue)?,
            connect: configure::transport(&mut resolver, self)?,
            settings: resolver.settings,
        })
    }
}

/// What code, environment and defaults come to.
struct Resolved {
    resource: Resource,
    sampler: Sampler,
    propagators: Propagators,
    limits: Limits,
    pace: Pace,
    queue: usize,
    connect: Option<Connect>,
    settings: Vec<Setting>,
}

pub(crate) type Connect = Box<dyn FnOnce() -> Result<Transport, String> + Send>;

fn start(
    pipeline: &Arc<Pipeline>,
    resource: &Resource,
    pace: Pace,
    connect: Connect,
) -> Result<watch::Sender<Option<tokio::time::Instant>>, Error> {
    let (closing, closed) = watch::channel(None);
    Worker::start(Arc::clone(pipeline), Head::new(resource), pace, closed, connect).map_err(
        |error| {
            Error::new(
                format_args!("the export thread cannot be started: {error}"),
                "raise the limits on threads and open files of the process",
            )
        },
    )?;
    Ok(closing)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("service", &self.service).finish_non_exhaustive()
    }
}
