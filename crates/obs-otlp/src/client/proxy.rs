//! The proxy of a host.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use obs_guard::has_valid_port;

use crate::environment::{Resolver, invalid_variable};
use crate::error::Error;

/// The proxies. Default: none.
///
/// `https://` goes through a tunnel (`CONNECT`) of the proxy in `HTTPS_PROXY`; `http://` through the one in
/// `HTTP_PROXY`, which gRPC is tunnelled through and HTTP asks for the whole URL. What `NO_PROXY` lists is
/// reached directly (host names with their subdomains, addresses, networks as `10.0.0.0/8`, `*`); so is, always,
/// whatever is a loopback address, `localhost` or a socket of this machine.
#[derive(Clone, Default)]
pub struct Proxies(Option<Arc<Matcher>>);

/// One of them.
pub(super) type Proxy = Intercept;

impl Proxies {
    /// From `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in lower case, which count more.
    ///
    /// As curl and Go have it, `HTTP_PROXY` is left out where `REQUEST_METHOD` is set: a CGI server lets
    /// whoever sends a request fill it.
    ///
    /// # Errors
    ///
    /// A variable does not name an `http://` proxy. It is no warning: another route must not be guessed.
    pub fn from_environment(resolver: &Resolver) -> Result<Self, Error> {
        let https = resolver.first(&["https_proxy", "HTTPS_PROXY"]);
        let http = resolver.first(match resolver.variable("REQUEST_METHOD") {
            None => &["http_proxy", "HTTP_PROXY"],
            Some(_) => &["http_proxy"],
        });
        for (variable, text) in https.iter().chain(&http) {
            let scheme = text.split_once("://").map_or("http", |(scheme, _)| scheme);
            let is_url = text.parse::<Uri>().is_ok_and(|uri| {
                uri.authority().is_some_and(|authority| has_valid_port(authority.as_str()))
            });
            if scheme != "http" || !is_url {
                return Err(invalid_variable(
                    variable,
                    text,
                    "give the URL of an http:// proxy, or leave the collector out with NO_PROXY",
                ));
            }
        }
        let text = |found: Option<(_, String)>| found.map(|(_, text)| text).unwrap_or_default();
        let no = text(resolver.first(&["no_proxy", "NO_PROXY"]));
        let matcher = Matcher::builder().https(text(https)).http(text(http)).no(no).build();
        Ok(Self(Some(Arc::new(matcher))))
    }

    pub(super) fn for_uri(&self, uri: &Uri) -> Option<Proxy> {
        let matcher = self.0.as_ref()?;
        if uri.host().is_none_or(is_loopback) {
            return None;
        }
        matcher.intercept(uri)
    }

    /// The proxy by which this URL is reached, without its password.
    pub fn proxy_of(&self, uri: &Uri) -> Option<String> {
        self.for_uri(uri).map(|proxy| proxy.uri().to_string().trim_end_matches('/').to_owned())
    }

    /// The `Proxy-Authorization` of a request to this URL.
    pub(super) fn authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        self.for_uri(uri)?.basic_auth().cloned()
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Proxies(of the environment)" } else { "Proxies(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &'static [(&str, &str)]) -> Result<Proxies, Error> {
        let lookup = |name: &str| {
            let mut known = variables.iter().filter(|(known, _)| *known == name);
            known.next().map(|(_, value)| (*value).to_owned())
        };
        Proxies::from_environment(&Resolver::new(Some(Arc::new(lookup))))
    }

    #[test]
    fn proxy_of_host_follows_scheme_and_no_proxy() {
        let both = &[
            ("HTTPS_PROXY", "http://user:pass@secure:3128"),
            ("HTTP_PROXY", "plain:8080"),
            ("NO_PROXY", "example.org,10.0.0.0/8"),
        ];
        let proxies = proxies(both).unwrap_or_default();
        for (url, proxy) in [
            ("https://collector:4317/", Some("http://secure:3128")),
            ("http://collector:4318/", Some("http://plain:8080")),
            ("http://otlp.example.org/", None),
            ("http://10.1.2.3/", None),
            ("http://127.0.0.1:4317/", None),
            ("http://127.9.9.9/", None),
            ("https://localhost/", None),
            ("http://LOCALHOST.:1/", None),
            ("http://[::1]:4317/", None),
            ("http://[::ffff:127.0.0.1]:4317/", None),
        ] {
            let found = url.parse().ok().and_then(|url| proxies.proxy_of(&url));
            assert_eq!(found.as_deref(), proxy, "{url}");
        }
    }

    #[test]
    fn http_proxy_is_ignored_under_cgi() {
        let cgi = &[("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "POST")];
        let uri = Uri::from_static("http://collector/");
        assert_eq!(proxies(cgi).unwrap_or_default().proxy_of(&uri), None);
    }

    #[test]
    fn invalid_proxy_is_error() {
        for variables in [
            &[("HTTPS_PROXY", "socks5://user:secret@proxy:1080")],
            &[("http_proxy", "https://user:secret@proxy")],
            &[("HTTP_PROXY", "http://")],
        ] {
            let error = proxies(variables).map(|_| ()).map_err(|error| error.to_string());
            let right = |text: &String| text.contains(variables[0].0) && !text.contains("secret");
            assert!(error.as_ref().is_err_and(right), "{error:?}");
        }
    }
}
