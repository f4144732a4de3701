//! Heads of actix-web's in the types of `http`, and back.

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header as actix;
use actix_web::{Error, HttpRequest, HttpResponse};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version, response};
use obs_context::Route;

use super::body::HttpBody;
use crate::PeerAddr;

/// A response of `http`'s with the body of actix-web's.
type Response<B> = http::Response<HttpBody<B>>;

/// The rest of actix-web's response, without head and body; or its error.
pub(super) type Rest = Result<(HttpRequest, HttpResponse<()>), Error>;

/// What is observed of a request.
pub(super) fn of_request(request: &ServiceRequest) -> Request<()> {
    let mut head = Request::new(());
    // What `http` of today does not take, which has yet to be seen, is left as it is by default.
    if let Ok(method) = Method::from_bytes(request.method().as_str().as_bytes()) {
        *head.method_mut() = method;
    }
    *head.uri_mut() = request.uri().to_string().parse().unwrap_or_default();
    *head.version_mut() = match request.version() {
        actix_web::http::Version::HTTP_10 => Version::HTTP_10,
        actix_web::http::Version::HTTP_2 => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    copy(request.headers(), head.headers_mut());
    if let Some(peer) = request.peer_addr() {
        head.extensions_mut().insert(PeerAddr(peer));
    }
    if let Some(pattern) = request.match_pattern() {
        head.extensions_mut().insert(Route::intern(&pattern));
    }
    head
}

/// The response, and what it had beside head and body.
pub(super) fn of_response<B: MessageBody>(response: ServiceResponse<B>) -> (Response<B>, Rest) {
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let mut head = http::Response::new(());
    *head.status_mut() = status(response.status().as_u16());
    copy(response.headers(), head.headers_mut());
    if let BodySize::Sized(bytes) = body.size() {
        head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    } else if body.size() == BodySize::None {
        head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    let route = response.extensions().get::<Route>().copied();
    if let Some(route) = route {
        head.extensions_mut().insert(route);
    }
    (head.map(|()| HttpBody::new(body)), Ok((request, response)))
}

/// The response that actix-web will make of an error.
pub(super) fn of_error<B: MessageBody>(error: &Error) -> Response<B> {
    let mut response = http::Response::new(HttpBody::empty());
    *response.status_mut() = status(error.as_response_error().status_code().as_u16());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    response
}

/// Adds what observers have added, such as the request's id.
pub(super) fn add_headers(to: &mut actix::HeaderMap, from: &response::Parts) {
    for (name, value) in from.headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH) {
        let name = actix::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = actix::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && !to.contains_key(&name)
        {
            to.insert(name, value);
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn copy(from: &actix::HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            to.append(name, value);
        }
    }
}
