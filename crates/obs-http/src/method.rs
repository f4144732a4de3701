//! The HTTP methods that labels and attributes may have: an invented method must not become a series.

use http::Method;

/// Registered for HTTP in general (RFC 9110, PATCH of RFC 5789, QUERY).
const KNOWN_METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

/// The method, if it is one of the known ones; they are written in capitals.
pub fn known_method(method: &Method) -> Option<&'static str> {
    KNOWN_METHODS.into_iter().find(|known| *known == method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_in_lower_case_is_unknown() {
        for name in KNOWN_METHODS {
            assert_eq!(
                Method::from_bytes(name.as_bytes()).ok().and_then(|of| known_method(&of)),
                Some(name)
            );
        }
        for name in ["get", "Query", "PROPFIND", "X"] {
            assert_eq!(
                Method::from_bytes(name.as_bytes()).ok().and_then(|of| known_method(&of)),
                None
            );
        }
    }
}
