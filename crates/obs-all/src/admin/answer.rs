//! The forms of answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub(super) fn plain(body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

pub(super) fn get_and_put_only() -> Response<Bytes> {
    let told = self::json(
        StatusCode::METHOD_NOT_ALLOWED,
        &serde_json::json!({"error": "GET tells the value in force, PUT changes it"}),
    );
    let (mut head, body) = told.into_parts();
    head.headers.insert(header::ALLOW, HeaderValue::from_static("GET, PUT"));
    Response::from_parts(head, body)
}
