//! OTLP over HTTP, as gRPC or as plain protobuf: one hyper client for both.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::outcome::Outcome;
use super::{grpc, http_date, json};
use crate::builder::{Compression, Protocol};

#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;
#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

const JSON: &str = "application/json";

/// An answer is an acknowledgement, not a document.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where to send, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    /// With the path of the service.
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) compression: Compression,
    /// Who is trusted.
    #[cfg(feature = "tls")]
    pub(crate) tls: rustls::ClientConfig,
    pub(crate) timeout: Duration,
}

pub(crate) struct Client {
    target: Target,
    pool: Pool<Connector, Full<Bytes>>,
}

/// A request's body as it goes over the wire; a clone is a reference count.
#[derive(Clone, Debug)]
pub(crate) struct Body(Bytes);

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Client {
    /// To be called on the runtime that the client is for.
    pub(crate) fn new(target: Target) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(target.timeout));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .http2_only(target.protocol == Protocol::Grpc)
            .build(secured(connector, &target));
        Self { target, pool }
    }

    /// Makes the body of an encoded request; what is before `start` is free.
    pub(crate) fn body(&self, buffer: Vec<u8>, start: usize) -> Body {
        let plain = match self.target.protocol {
            Protocol::HttpJson => (json::request(&buffer[start..]).into_bytes(), 0),
            _ => (buffer, start),
        };
        let (buffer, start) = plain;
        match (self.target.protocol, self.target.compression) {
            (Protocol::Grpc, Compression::None) => Body(grpc::frame(buffer, start)),
            (_, Compression::None) => Body(Bytes::from(buffer).slice(start..)),
            #[cfg(feature = "gzip")]
            (Protocol::Grpc, Compression::Gzip) => {
                Body(grpc::frame_compressed(&gzip(&buffer[start..])))
            }
            #[cfg(feature = "gzip")]
            (_, Compression::Gzip) => Body(gzip(&buffer[start..]).into()),
        }
    }

    pub(crate) async fn send(&self, body: &Body) -> Outcome {
        let response = match self.pool.request(self.request(body)).await {
            Ok(response) => response,
            Err(error) => return Outcome::Retry { after: None, reason: causes(&error) },
        };
        match self.target.protocol {
            Protocol::Grpc => grpc::outcome(response).await,
            Protocol::HttpProtobuf | Protocol::HttpJson => outcome(response).await,
        }
    }

    fn request(&self, body: &Body) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.0.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.uri.clone();
        let headers = request.headers_mut();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!(
                "OTel-OTLP-Exporter-obs-rust/",
                env!("CARGO_PKG_VERSION")
            )),
        );
        let compressed = self.target.compression != Compression::None;
        match self.target.protocol {
            Protocol::Grpc => grpc::headers(headers, compressed),
            Protocol::HttpProtobuf | Protocol::HttpJson => {
                let content_type = match self.target.protocol {
                    Protocol::HttpJson => JSON,
                    _ => "application/x-protobuf",
                };
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                if compressed {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
            }
        }
        for (name, value) in &self.target.headers {
            headers.insert(name.clone(), value.clone());
        }
        request
    }
}

/// What an answer in OTLP/HTTP means (OTLP specification, "OTLP/HTTP Response").
async fn outcome(response: Response<Incoming>) -> Outcome {
    let status = response.status();
    let after = retry_after(response.headers());
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_json = content_type.is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()));
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if status.is_success() => {
            return Outcome::Retry {
                after: None,
                reason: format!("the answer broke off: {error}"),
            };
        }
        Err(_) => Bytes::new(),
    };
    if status.is_success() {
        if is_json {
            let (rejected, message) = json::rejected(&body);
            return Outcome::Accepted { rejected, message };
        }
        return Outcome::accepted(&body);
    }
    let reason = format!("the collector answered {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Outcome::Retry { after, reason },
        _ => Outcome::Refused { reason },
    }
}

/// `Retry-After`: seconds, or a date; one that is over is now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    Some(Duration::from_secs(http_date::seconds(text)?).saturating_sub(now))
}

/// An error with its causes: hyper keeps the telling one inside.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    crate::record::Chain(error).to_string()
}

#[cfg(not(feature = "tls"))]
fn secured(connector: HttpConnector, _: &Target) -> Connector {
    connector
}

#[cfg(feature = "tls")]
fn secured(mut connector: HttpConnector, target: &Target) -> Connector {
    connector.enforce_http(false);
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(target.tls.clone())
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector)
}

#[cfg(feature = "gzip")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(bytes.len() / 4),
        flate2::Compression::fast(),
    );
    let _ = encoder.write_all(bytes); // a vector takes everything
    encoder.finish().unwrap_or_default()
}
