//! gRPC status codes: in the trailers, or in the head of an answer without a body.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

pub(crate) const UNIMPLEMENTED: u16 = 12;
pub(crate) const INTERNAL: u16 = 13;

/// Whether a request is a gRPC call: a POST of `application/grpc` with any message format. gRPC-Web is none, since its
/// trailers are part of the body.
pub fn is_grpc(method: &Method, headers: &HeaderMap) -> bool {
    // Most requests are no POST, and comparing the method is cheaper than a lookup.
    if method != Method::POST {
        return false;
    }
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return false };
    let rest = kind.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The code in these headers or trailers.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<u16> {
    headers.get(&GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// The HTTP status of a code, as `google/rpc/code.proto` has it.
pub(crate) fn http_status(code: u16) -> u16 {
    match code {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// Turns the head into the answer of a call whose handler panicked: INTERNAL, without a body.
pub(crate) fn set_internal(head: &mut response::Parts) {
    head.status = StatusCode::OK;
    let headers = &mut head.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(&GRPC_STATUS, HeaderValue::from(INTERNAL));
}
