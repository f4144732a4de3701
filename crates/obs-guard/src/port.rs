//! The port of a URL.

/// Whether a URL's authority, `user@host:port`, has a usable port or none: from 1 to 65535.
///
/// `http::Uri` takes any text for a port and then knows none, so that the usual one would be connected to.
pub fn has_valid_port(authority: &str) -> bool {
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    match host_and_port.rsplit_once(':') {
        None => true,
        Some((_, port)) if port.is_empty() || port.ends_with(']') => true,
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::has_valid_port;

    #[test]
    fn ports_of_authorities_are_judged() {
        for valid in ["h", "h:1", "h:65535", "h:", "[::1]", "[::1]:80", "u:p@h", "u:p@[::1]:80", ""]
        {
            assert!(has_valid_port(valid), "{valid}");
        }
        for invalid in ["h:0", "h:65536", "h:99999", "h:x", "h:-1", "[::1]:65536", "u:p@h:0"] {
            assert!(!has_valid_port(invalid), "{invalid}");
        }
    }
}
