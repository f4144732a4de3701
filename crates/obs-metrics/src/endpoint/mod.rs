//! The answer to `GET /metrics`.

mod coding;
mod debug;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};

use self::coding::Coding;
use crate::buckets::Buckets;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::expose::{Format, negotiate};
use crate::family::CounterVec;
use crate::metric::{Gauge, Histogram};
use crate::registry::Registry;
use crate::sources::COLLECT_TIMEOUT;

/// Scrapes in flight. Each holds a thread of the application's runtime while it waits for the others.
const MAX_IN_FLIGHT: usize = 8;

/// The upper limit of the wait for sources that a scraper may ask for.
const MAX_COLLECT_TIMEOUT: Duration = Duration::from_secs(120);

/// Answers scrapes of a registry: to be called by any HTTP server's handler.
///
/// The format is what `Accept` asks for: protobuf, OpenMetrics 1.0, else the text format 0.0.4. With the features
/// `gzip` and `zstd` the answer is compressed where `Accept-Encoding` takes it. `?name[]=x` shows the families with
/// a series of that name only. `HEAD` is answered without a body, other methods with 405.
///
/// Sources that were mounted have until nine tenths of `X-Prometheus-Scrape-Timeout-Seconds` (10 s where
/// it is missing) to answer; the scrape goes on without those that have not.
///
/// A call does no I/O and takes some 60 ns a series, twice that with compression. Scrapes that come
/// while another one is being written wait for it and share what is the same; past eight at once they
/// are answered 503. Each is counted in
/// `obs_metrics_scrapes_total`, `obs_metrics_scrape_duration_seconds` and
/// `obs_metrics_scrape_size_bytes`.
///
/// ```
/// use obs_metrics::{Endpoint, Registry};
///
/// let registry = Registry::new();
/// registry.counter("orders_total", "Orders accepted.")?.inc();
/// let endpoint = Endpoint::new(registry);
///
/// let (request, ()) = http::Request::get("/metrics").body(()).unwrap().into_parts();
/// let response = endpoint.respond(&request);
/// assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    registry: Registry,
    own: Result<EndpointMetrics, Error>,
    /// Scrapes that are being answered.
    in_flight: AtomicUsize,
    /// Held while an answer is made: the application shares its cores with one scrape, not many.
    last: Mutex<LastAnswer>,
}

/// The endpoint's own metrics.
struct EndpointMetrics {
    scrapes: CounterVec<2>,
    duration: Histogram,
    size: Gauge,
}

#[derive(Default)]
struct LastAnswer {
    answer: Option<Answer>,
    /// The text of the last answer that was compressed.
    spare: Vec<u8>,
}

impl LastAnswer {
    /// An empty buffer, with the memory of the last answer where that is no longer read.
    fn buffer(&mut self) -> Vec<u8> {
        let last = self.answer.take().filter(|answer| answer.body.is_unique());
        let mut buffer = std::mem::take(&mut self.spare);
        if let Some(last) = last.filter(|last| last.body.len() > buffer.capacity()) {
            buffer = last.body.into();
        }
        buffer.clear();
        buffer
    }
}

#[derive(Clone)]
struct Answer {
    wanted: ScrapeRequest,
    started: Instant,
    /// The coding of the body, which may fall back to identity.
    coding: Coding,
    body: Bytes,
}

/// What a scrape asks for: two equal requests share an answer.
#[derive(Clone, PartialEq, Eq)]
struct ScrapeRequest {
    format: Format,
    coding: Coding,
    names: Vec<String>,
}

impl Endpoint {
    /// An endpoint for this registry; its own metrics are registered there.
    pub fn new(registry: Registry) -> Self {
        let own = EndpointMetrics::new(&registry);
        if let Err(error) = &own {
            tracing::error!(%error, "the metrics endpoint does not measure itself");
        }
        let in_flight = AtomicUsize::new(0);
        Self(Arc::new(Inner { registry, own, in_flight, last: Mutex::default() }))
    }

    /// The answer to this request, whatever its path.
    pub fn respond(&self, request: &request::Parts) -> Response<Bytes> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let mut response =
                plain(StatusCode::METHOD_NOT_ALLOWED, "metrics are read with GET or HEAD\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let wanted = ScrapeRequest::of(request);
        let asked = Instant::now();
        let limit = scrape_timeout(&request.headers);
        let Some(_slot) = InFlight::enter(&self.0.in_flight) else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many scrapes at once: scrape less often\n",
            );
        };
        let (body, coding) = self.body(&wanted, asked, asked + collect_timeout(limit));
        if let Some(limit) = limit.filter(|limit| asked.elapsed() > *limit) {
            let why = format!("the scrape took longer than the {limit:?} that the scraper waits\n");
            return plain(StatusCode::SERVICE_UNAVAILABLE, why);
        }
        self.count(&wanted, coding, asked.elapsed(), body.len());
        response(request, &wanted, coding, body)
    }

    /// The body, shared with an answer that was begun after this one was asked for.
    fn body(&self, wanted: &ScrapeRequest, asked: Instant, deadline: Instant) -> (Bytes, Coding) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &last.answer
            && answer.started >= asked
            && answer.wanted == *wanted
        {
            return (answer.body.clone(), answer.coding);
        }
        let started = Instant::now();
        let mut buffer = last.buffer();
        let is_wanted = |family: &Descriptor| wanted.includes(family);
        self.0.registry.encode_until(deadline, &mut buffer, wanted.format, &is_wanted);
        let (body, coding) = match wanted.coding.compress(&buffer) {
            Some(body) => {
                last.spare = buffer;
                (body, wanted.coding)
            }
            None => (Bytes::from(buffer), Coding::Identity),
        };
        let wanted = wanted.clone();
        last.answer = Some(Answer { wanted, started, coding, body: body.clone() });
        (body, coding)
    }

    fn count(&self, wanted: &ScrapeRequest, coding: Coding, duration: Duration, size: usize) {
        if let Ok(own) = &self.0.own {
            own.scrapes.with([wanted.format_label(), coding.name()]).inc();
            own.duration.observe_duration(duration);
            own.size.set(size as f64);
        }
    }
}

/// One scrape in flight; it ends when this is dropped.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Relaxed) < MAX_IN_FLIGHT).then_some(place)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl EndpointMetrics {
    fn new(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            scrapes: registry.counter_vec(
                "obs_metrics_scrapes_total",
                "Scrapes answered.",
                ["format", "encoding"],
            )?,
            duration: registry.histogram(
                "obs_metrics_scrape_duration_seconds",
                "Time to answer a scrape.",
                Buckets::exponential(0.0001, 4.0, 8),
            )?,
            size: registry.gauge(
                "obs_metrics_scrape_size_bytes",
                "Size of the last answer, as it was sent.",
            )?,
        })
    }
}

impl ScrapeRequest {
    fn of(request: &request::Parts) -> Self {
        let query = request.uri.query().unwrap_or_default();
        let names = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let is_name = matches!(key, "name[]" | "name%5B%5D" | "name%5b%5d");
            is_name.then(|| value.to_owned())
        });
        Self {
            format: negotiate(&header_text(&request.headers, &header::ACCEPT)),
            coding: Coding::negotiate(&header_text(&request.headers, &header::ACCEPT_ENCODING)),
            names: names.collect(),
        }
    }

    fn includes(&self, family: &Descriptor) -> bool {
        self.names.is_empty()
            || self.names.iter().any(|name| **name == *family.name)
            || family.claims().any(|claim| self.names.contains(&claim))
    }

    fn format_label(&self) -> &'static str {
        match self.format {
            Format::Classic => "text",
            Format::OpenMetrics => "openmetrics",
            Format::Protobuf => "protobuf",
        }
    }
}

fn response(
    request: &request::Parts,
    wanted: &ScrapeRequest,
    coding: Coding,
    body: Bytes,
) -> Response<Bytes> {
    let media = match wanted.format {
        Format::Classic => "text/plain; version=0.0.4; charset=utf-8",
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Format::Protobuf => {
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    };
    let length = body.len();
    let is_head = request.method == Method::HEAD;
    let mut response = Response::new(if is_head { Bytes::new() } else { body });
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if coding != Coding::Identity {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if is_head {
        // For GET the server sets the length from the body.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = page("text/plain; charset=utf-8", text);
    *response.status_mut() = status;
    response
}

fn page(media: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// The scraper's timeout, from Prometheus' header.
fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    const TIMEOUT_HEADER: HeaderName =
        HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
    let seconds: f64 = header_text(headers, &TIMEOUT_HEADER).trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// How long the sources may take of that: a tenth, and 500 ms at most, is left for the answer's way.
fn collect_timeout(scrape_timeout: Option<Duration>) -> Duration {
    let timeout = scrape_timeout.map_or(COLLECT_TIMEOUT, |timeout| {
        timeout - (timeout / 10).min(Duration::from_millis(500))
    });
    timeout.min(MAX_COLLECT_TIMEOUT)
}

/// All values of a header, as one list.
fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, str> {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let first = Cow::Borrowed(values.next().unwrap_or_default());
    values.fold(first, |all, value| Cow::Owned(format!("{all},{value}")))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("registry", &self.0.registry).finish_non_exhaustive()
    }
}
