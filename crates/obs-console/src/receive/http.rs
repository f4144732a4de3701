//! Receives over HTTP: OTLP as protobuf and JSON, and Sentry's envelopes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use prost::Message;
use serde::Serialize;

use super::json_request::{JsonRequest, SkippedItems};
use super::origin::Caller;
use super::{body, export, sentry};
use crate::store::Store;

/// How a body is written; the answer is written the same way (OTLP, "OTLP/HTTP Response").
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

/// A refusal with its status and its cause.
type Rejection = (StatusCode, String);

pub(crate) async fn answer(
    store: Arc<Store>,
    request: Request<Incoming>,
    local: SocketAddr,
) -> Response<Full<Bytes>> {
    let store = &*store;
    let (head, body) = request.into_parts();
    let format = Format::from_headers(&head.headers);
    let caller = match Caller::check(&head, local) {
        Ok(caller) => caller,
        Err(reason) => return reject(store, format, (StatusCode::FORBIDDEN, reason.into())),
    };
    let mut response = match caller.is_preflight(&head) {
        true => no_content(),
        false if sentry::is_envelope(head.uri.path()) => sentry::answer(store, &head, body).await,
        false => ingest(store, head, body, format).await,
    };
    caller.add_cors_headers(response.headers_mut());
    response
}

async fn ingest(
    store: &Store,
    head: Parts,
    body: Incoming,
    format: Option<Format>,
) -> Response<Full<Bytes>> {
    let path = head.uri.path();
    if !matches!(path, "/v1/traces" | "/v1/logs" | "/v1/metrics") {
        let cause = "nothing is taken here: OTLP at /v1/traces, /v1/logs and /v1/metrics, Sentry's envelopes at /api/{project}/envelope/";
        return reject(store, format, (StatusCode::NOT_FOUND, cause.into()));
    }
    if head.method != Method::POST {
        let cause = (StatusCode::METHOD_NOT_ALLOWED, String::from("OTLP is sent with POST"));
        let mut response = reject(store, format, cause);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let Some(format) = format else {
        let cause =
            "this content type is not OTLP: send application/x-protobuf or application/json";
        return reject(store, None, (StatusCode::UNSUPPORTED_MEDIA_TYPE, cause.into()));
    };
    let answered =
        match body::read(&head.headers, body).await {
            Err(error) => Err((error.status(), error.reason().into())),
            Ok(body) => {
                let _permit = body::decode_permit().await;
                match path {
                    "/v1/traces" => format
                        .handle(&body, |request, skipped| export::traces(store, request, skipped)),
                    "/v1/logs" => format
                        .handle(&body, |request, skipped| export::logs(store, request, skipped)),
                    _ => format
                        .handle(&body, |request, skipped| export::metrics(store, request, skipped)),
                }
            }
        };
    match answered {
        Ok(bytes) => respond(StatusCode::OK, format, bytes),
        Err(rejection) => reject(store, Some(format), rejection),
    }
}

impl Format {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let name = content_type.split(';').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("application/x-protobuf") {
            Some(Self::Protobuf)
        } else if name.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    fn handle<Q, A>(
        self,
        body: &[u8],
        export: impl Fn(Q, SkippedItems) -> A,
    ) -> Result<Vec<u8>, Rejection>
    where
        Q: Message + Default + JsonRequest,
        A: Message + Serialize,
    {
        let bad =
            |error: String| (StatusCode::BAD_REQUEST, format!("the body is no OTLP: {error}"));
        match self {
            Self::Protobuf => {
                let request = Q::decode(body).map_err(|error| bad(error.to_string()))?;
                Ok(export(request, SkippedItems::default()).encode_to_vec())
            }
            Self::Json => {
                let (request, skipped) = Q::from_json(body).map_err(bad)?;
                Ok(answer_json(&export(request, skipped)))
            }
        }
    }
}

/// A field that is not set is left out, where the generated types write null.
fn answer_json(answer: &impl Serialize) -> Vec<u8> {
    let mut value = serde_json::to_value(answer).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value.to_string().into_bytes()
}

/// A refusal's body is a `google.rpc.Status` (OTLP, "Failures").
fn reject(store: &Store, format: Option<Format>, rejection: Rejection) -> Response<Full<Bytes>> {
    store.count_bad_request();
    let (status, message) = rejection;
    let format = format.unwrap_or(Format::Json);
    let body = match format {
        Format::Protobuf => {
            let mut bytes = Vec::new();
            prost::encoding::string::encode(2, &message, &mut bytes);
            bytes
        }
        Format::Json => serde_json::json!({ "message": message }).to_string().into_bytes(),
    };
    respond(status, format, body)
}

fn no_content() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn respond(status: StatusCode, format: Format, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, format.name());
    response
}
