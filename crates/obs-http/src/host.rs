//! The host of a URI.

use http::uri::Authority;

/// The name or address of a server, without the brackets of IPv6: what `server.address` is.
///
/// ```
/// let uri: http::Uri = "http://[::1]:8080/".parse()?;
/// assert_eq!(uri.authority().map(obs_http::server_address), Some("::1"));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
pub fn server_address(authority: &Authority) -> &str {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host)
}
