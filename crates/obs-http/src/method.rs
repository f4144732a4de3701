//! The methods that labels and attributes may hold: what a caller invents must not become a series.

use http::Method;

/// Registered for HTTP in general (RFC 9110, PATCH of RFC 5789, QUERY).
const KNOWN: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

/// The method, if it is one of the known ones; they are written in capitals.
pub fn known_method(method: &Method) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_in_capitals_alone() {
        for name in KNOWN {
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
