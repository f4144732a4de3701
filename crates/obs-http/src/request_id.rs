//! The request id on its way to other services.

use http::{HeaderMap, HeaderName, HeaderValue};
use obs_context::current_request_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sets `x-request-id` to the id of the request that this thread works for. A header that is there already is
/// left alone.
pub fn forward_request_id(headers: &mut HeaderMap) {
    if let Some(id) = current_request_id()
        && let Ok(id) = HeaderValue::from_str(id.as_str())
    {
        headers.entry(REQUEST_ID).or_insert(id);
    }
}
