//! Error events in Sentry's protocol: `POST /api/{project}/envelope/`.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{body, envelope, event};
use crate::model::ErrorEvent;
use crate::store::Store;

/// Whether envelopes are sent to this path.
pub(super) fn is_envelope(path: &str) -> bool {
    let project = path.strip_prefix("/api/").and_then(|rest| {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        rest.strip_suffix("/envelope")
    });
    project.is_some_and(|project| !project.is_empty() && !project.contains('/'))
}

pub(super) async fn answer(store: &Store, head: &Parts, body: Incoming) -> Response<Full<Bytes>> {
    if head.method != Method::POST {
        store.count_bad_request();
        let cause = "envelopes are sent with POST";
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, &json!({ "detail": cause }));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    match ingest(store, head, body).await {
        Ok(id) => respond(StatusCode::OK, &json!({ "id": id.map(|id| format!("{id:032x}")) })),
        Err((status, cause)) => {
            store.count_bad_request();
            respond(status, &json!({ "detail": cause }))
        }
    }
}

/// Keeps the events of an envelope; answers the id of the first.
async fn ingest(
    store: &Store,
    head: &Parts,
    body: Incoming,
) -> Result<Option<u128>, (StatusCode, &'static str)> {
    let bad = |cause| (StatusCode::BAD_REQUEST, cause);
    let body = body::read(&head.headers, body).await;
    let body = body.map_err(|error| (error.status(), error.reason()))?;
    let _permit = body::decode_permit().await;
    let envelope = envelope::parse(&body).map_err(bad)?;
    if !is_authenticated(head) && !envelope.has_dsn {
        let cause =
            "there is no key: give one in the DSN, http://KEY@host:port/PROJECT; any will do";
        return Err((StatusCode::UNAUTHORIZED, cause));
    }
    let events = envelope.events.iter().map(|payload| event::parse(payload, envelope.event_id));
    let events: Vec<ErrorEvent> = events.collect::<Result<_, _>>().map_err(bad)?;
    let id = events.first().map(|event| event.event_id).or(envelope.event_id);
    let taken = store.add_errors(events);
    store.count_ignored_items(envelope.others);
    match taken.reason {
        Some(reason) => Err((StatusCode::PAYLOAD_TOO_LARGE, reason)),
        None => Ok(id),
    }
}

/// A development console knows no keys: that there is one shows that a Sentry SDK is sending. Browsers give
/// it in the query.
fn is_authenticated(head: &Parts) -> bool {
    let mut pairs = head.uri.query().unwrap_or_default().split('&');
    head.headers.contains_key("x-sentry-auth") || pairs.any(|pair| pair.starts_with("sentry_key="))
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
