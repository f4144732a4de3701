//! The plain-text responses of the admin server.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

pub(crate) fn not_found() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "not here: GET / lists what is\n")
}

pub(crate) fn busy() -> Response<Bytes> {
    let mut response = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests to the admin server are under way; try again\n",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(crate) fn unauthorized() -> Response<Bytes> {
    let mut response =
        text(StatusCode::UNAUTHORIZED, "send Authorization: Bearer with the admin token\n");
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
