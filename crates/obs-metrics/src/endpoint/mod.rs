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
use crate::expose::{Flavour, negotiate};
use crate::family::CounterVec;
use crate::metric::{Gauge, Histogram};
use crate::registry::Registry;
use crate::sources::COLLECT_TIMEOUT;

/// Scrapes that may wait for one another; they hold threads of the application's runtime.
const MAX_IN_FLIGHT: usize = 8;

/// The longest that a scraper may ask to wait for sources: Prometheus' longest sensible interval.
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
    own: Result<Own, Error>,
    /// Scrapes that are being answered.
    in_flight: AtomicUsize,
    /// Held while an answer is made: the application shares its cores with one scrape, not many.
    last: Mutex<Last>,
}

/// What the endpoint tells about itself.
struct Own {
    scrapes: CounterVec<2>,
    duration: Histogram,
    size: Gauge,
}

#[derive(Default)]
struct Last {
    answer: Option<Answer>,
    /// The text of the last answer that was compressed.
    spare: Vec<u8>,
}

impl Last {
    /// An empty buffer, with the memory of the last answer where nobody reads that any more.
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
    wanted: Wanted,
    begun: Instant,
    /// How the body really is coded.
    coding: Coding,
    body: Bytes,
}

/// What makes two answers the same.
#[derive(Clone, PartialEq, Eq)]
struct Wanted {
    flavour: Flavour,
    coding: Coding,
    names: Vec<String>,
}

impl Endpoint {
    /// An endpoint for this registry; its own metrics are registered there.
    pub fn new(registry: Registry) -> Self {
        let own = Own::new(&registry);
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
        let wanted = Wanted::of(request);
        let asked = Instant::now();
        let limit = scrape_timeout(&request.headers);
        let Some(_place) = InFlight::enter(&self.0.in_flight) else {
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
    fn body(&self, wanted: &Wanted, asked: Instant, deadline: Instant) -> (Bytes, Coding) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &last.answer
            && answer.begun >= asked
            && answer.wanted == *wanted
        {
            return (answer.body.clone(), answer.coding);
        }
        let begun = Instant::now();
        let mut buffer = last.buffer();
        let is_wanted = |family: &Descriptor| wanted.takes(family);
        self.0.registry.encode_until(deadline, &mut buffer, wanted.flavour, &is_wanted);
        let (body, coding) = match wanted.coding.compress(&buffer) {
            Some(body) => {
                last.spare = buffer;
                (body, wanted.coding)
            }
            None => (Bytes::from(buffer), Coding::Identity),
        };
        let wanted = wanted.clone();
        last.answer = Some(Answer { wanted, begun, coding, body: body.clone() });
        (body, coding)
    }

    fn count(&self, wanted: &Wanted, coding: Coding, duration: Duration, size: usize) {
        if let Ok(own) = &self.0.own {
            own.scrapes.with([wanted.format(), coding.name()]).inc();
            own.duration.observe_duration(duration);
            own.size.set(size as f64);
        }
    }
}

/// A place among the scrapes that may be answered at once, given back when dropped.
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

impl Own {
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

impl Wanted {
    fn of(request: &request::Parts) -> Self {
        let query = request.uri.query().unwrap_or_default();
        let names = query.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let is_name = matches!(key, "name[]" | "name%5B%5D" | "name%5b%5d");
            is_name.then(|| value.to_owned())
        });
        Self {
            flavour: negotiate(&header_text(&request.headers, &header::ACCEPT)),
            coding: Coding::negotiate(&header_text(&request.headers, &header::ACCEPT_ENCODING)),
            names: names.collect(),
        }
    }

    fn takes(&self, family: &Descriptor) -> bool {
        self.names.is_empty()
            || self.names.iter().any(|name| **name == *family.name)
            || family.claims().any(|claim| self.names.contains(&claim))
    }

    fn format(&self) -> &'static str {
        match self.flavour {
            Flavour::Classic => "text",
            Flavour::OpenMetrics => "openmetrics",
            Flavour::Protobuf => "protobuf",
        }
    }
}

fn response(
    request: &request::Parts,
    wanted: &Wanted,
    coding: Coding,
    body: Bytes,
) -> Response<Bytes> {
    let media = match wanted.flavour {
        Flavour::Classic => "text/plain; version=0.0.4; charset=utf-8",
        Flavour::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Flavour::Protobuf => {
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
        // The server knows the length of a body that is there.
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

/// How long the scraper waits, as Prometheus tells it.
fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
    let seconds: f64 = header_text(headers, &TIMEOUT).trim().parse().ok()?;
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
