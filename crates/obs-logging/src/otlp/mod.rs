//! Lines to an OpenTelemetry collector, as OTLP log records.

mod encode;
mod export;
mod names;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use export::Exporter;
use obs_otlp::{
    Blocking, Closing, Defaults, Exporters, Lookup, Options, Resolver, Resource, Setting, Signal,
    Warning,
};

use crate::error::Error;

/// A collector and what is sent to it: for [`Output::otlp`](crate::Output::otlp).
///
/// Records go over gRPC, or over HTTP as protobuf or JSON, from the thread that writes the lines of this layer. What
/// every other output promises holds here, too: the memory is bounded, `flush` and `shutdown` keep their deadline, and
/// each record that the collector did not take is counted. Requests that fail in a way that may pass are repeated. A
/// forked child sends nothing, and counts its records as dropped.
///
/// ```no_run
/// use obs_logging::{Builder, Otlp, Output};
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// let collector = Otlp::new("http://localhost:4318").resource("service.name", "orders");
/// let (lines, _lines) = Builder::new().build()?;
/// let (records, _records) = Builder::new().output(Output::otlp(collector)).build()?;
/// tracing_subscriber::registry().with(lines).with(records).try_init()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent before this is the output of a layer"]
pub struct Otlp {
    otlp: Options,
    lookup: Option<Lookup>,
    resource: Vec<(String, String)>,
    rejected: Arc<AtomicU64>,
}

impl Otlp {
    /// The collector at this address: `http://host:4317`, `http://host:4318`, where `/v1/logs` is added unless it is
    /// there, or `unix:` and the path of a socket. For `https` the feature `tls` is needed. An empty one leaves it to
    /// [`Otlp::environment`].
    pub fn new(endpoint: impl Into<String>) -> Self {
        let endpoint = Some(endpoint.into()).filter(|endpoint| !endpoint.is_empty());
        Self {
            otlp: Options { endpoint, ..Options::default() },
            lookup: None,
            resource: Vec::new(),
            rejected: Arc::default(),
        }
    }

    /// Reads the `OTEL_*` variables with this function, for all that the code does not say. A layer whose export
    /// they turn off (`OTEL_SDK_DISABLED`, `OTEL_LOGS_EXPORTER`, or no endpoint) makes no lines.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    obs_otlp::option_methods!(otlp);

    /// An attribute of whatever sends the records, such as `service.name`.
    pub fn resource(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// How many records the collector has taken with a request and then refused (`partial_success`). They count as
    /// dropped; a clone has the same counter.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Whether records are sent anywhere.
    ///
    /// # Errors
    ///
    /// An endpoint, a header, a certificate or a proxy is not what it must be.
    pub fn is_on(&self) -> Result<bool, Error> {
        Ok(self.resolve()?.0.is_some())
    }

    /// Every setting that would be in force, and where each comes from; and the environment variables that are left
    /// out because of what they hold, each as a sentence with its remedy.
    ///
    /// # Errors
    ///
    /// As [`Otlp::is_on`].
    pub fn settings(&self) -> Result<(Vec<Setting>, Vec<String>), Error> {
        let (_, _, resolver) = self.resolve()?;
        Ok(resolver.into_parts())
    }

    fn resolve(&self) -> Result<(Option<obs_otlp::Exporter>, Resource, Resolver), Error> {
        let mut resolver = Resolver::new(self.lookup.clone());
        let sdk = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let resource = Resource::resolve(sdk, "", &self.resource, &mut resolver);
        let wanted = Exporters::resolve(Signal::Logs, &mut resolver);
        let defaults = Defaults {
            timeout_variables: &[],
            retry_variables: &["OTEL_BLRP_EXPORT_TIMEOUT"],
            retry_for: Duration::from_secs(30),
        };
        let exporter = self
            .otlp
            .exporter(Signal::Logs, wanted, defaults, &mut resolver)
            .map_err(unexportable)?;
        Ok((exporter, resource, resolver))
    }

    /// `event_key` is how the lines call their message.
    pub(crate) fn records(self, event_key: String, closing: Closing) -> Result<Exporter, Error> {
        let (exporter, resource, resolver) = self.resolve()?;
        let endpoint = exporter.as_ref().map(obs_otlp::Exporter::endpoint).unwrap_or_default();
        let blocking = exporter.map(|exporter| Blocking::new(exporter, closing)).transpose();
        let blocking = blocking.map_err(unexportable)?;
        Ok(Exporter {
            blocking,
            resource: resource.encode(),
            event_key,
            rejected: self.rejected,
            lost: 0,
            warning: Warning::new(Signal::Logs, endpoint),
            ignored: resolver.into_parts().1,
            sent_last: None,
            is_sending: false,
        })
    }
}

fn unexportable(error: obs_otlp::Error) -> Error {
    Error::new("log records cannot be exported", "mend it, or set OTEL_LOGS_EXPORTER to none")
        .caused_by(error)
}

/// Nobody should wait for a network.
pub(crate) fn blocking() -> Error {
    Error::new("a collector cannot be written to by whoever logs", "use Delivery::NonBlocking")
}

/// Headers may be secrets.
impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("otlp", &self.otlp).finish_non_exhaustive()
    }
}
