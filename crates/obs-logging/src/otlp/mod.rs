//! Lines to an OpenTelemetry collector, as OTLP log records.

mod encode;
mod export;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use export::Exporter;

use crate::Error;

/// Where a collector is, and what is told to it: for [`Output::otlp`](crate::Output::otlp).
///
/// Records go as protobuf over HTTP (`http/protobuf` of the OTLP specification, port 4318 of most
/// collectors), from the thread that writes the lines of this layer. What every other output promises
/// holds here, too: the memory is bounded, `flush` and `shutdown` keep their deadline, and each record
/// that the collector did not take is counted. Requests that fail in a way that may pass are repeated.
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
    endpoint: String,
    headers: Vec<(String, String)>,
    resource: Vec<(String, String)>,
    timeout: Duration,
    retry_for: Duration,
    gzip: bool,
    rejected: Arc<AtomicU64>,
}

impl Otlp {
    /// The collector at this address, `http://host:4318`; `/v1/logs` is added unless it is there. For
    /// `https` the feature `tls` is needed.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            resource: Vec::new(),
            timeout: Duration::from_secs(10),
            retry_for: Duration::from_secs(30),
            gzip: false,
            rejected: Arc::default(),
        }
    }

    /// A header of every request, such as `authorization`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// An attribute of whatever sends the records, such as `service.name`.
    pub fn resource(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// How long one request may take: ten seconds if nothing is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a request is repeated while the collector cannot be reached or is too busy: thirty
    /// seconds if nothing is said. After that its records are counted as dropped.
    pub fn retry_for(mut self, retry_for: Duration) -> Self {
        self.retry_for = retry_for;
        self
    }

    /// Whether requests are compressed with gzip: they are a tenth as long, and cost a few microseconds
    /// a kilobyte in the writer's thread.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// How many records the collector has taken with a request and then refused (`partial_success`).
    /// They count as written elsewhere; a clone that was kept tells them of the one that was given away.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// The address with its path.
    fn url(&self) -> Result<String, Error> {
        let is_complete = self.endpoint.parse::<ureq::http::Uri>().is_ok_and(|uri| {
            let schemes: &[&str] =
                if cfg!(feature = "tls") { &["http", "https"] } else { &["http"] };
            uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)) && uri.host().is_some()
        });
        if !is_complete {
            return Err(Error::new(
                format!("`{}` is no address of a collector", self.endpoint),
                "write http://host:4318; for https enable the feature `tls`",
            ));
        }
        let base = self.endpoint.trim_end_matches('/');
        Ok(match base.ends_with("/v1/logs") {
            true => base.to_owned(),
            false => format!("{base}/v1/logs"),
        })
    }
}

/// Headers may be secrets.
impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
