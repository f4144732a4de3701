//! Resolves options and the environment to an exporter.

use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use obs_guard::has_valid_port;

use crate::client::{self, Proxies};
use crate::environment::{Origin, Resolver, Variable, parse_pairs};
use crate::error::Error;
use crate::exporter::{Exporter, Target};
use crate::exporters::Exporters;
use crate::options::{Options, TlsIdentity};
use crate::protocol::{Compression, Protocol};
use crate::signal::{Signal, SignalOption};

const ENDPOINT_REMEDY: &str =
    "give a URL such as http://127.0.0.1:4317, or unix: and the path of a socket";

/// The endpoint where `otlp` is asked for without one (the specification's default).
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

/// The defaults of one signal.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// Variables that set the timeout, before OTLP's own.
    pub timeout_variables: &'a [&'static str],
    /// Variables that set `retry_for`.
    pub retry_variables: &'a [&'static str],
    /// How long a request is retried.
    pub retry_for: Duration,
}

impl Options {
    /// The exporter by these options and the environment; `None` where there is no endpoint, or the environment
    /// turns it off.
    ///
    /// # Errors
    ///
    /// An endpoint, a header, a certificate or a proxy is not what it must be.
    pub fn exporter(
        &self,
        signal: Signal,
        wanted: Exporters,
        defaults: Defaults<'_>,
        resolver: &mut Resolver,
    ) -> Result<Option<Exporter>, Error> {
        if !wanted.otlp {
            return Ok(None);
        }
        let Some((endpoint, is_full_url)) = self.endpoint(signal, wanted, resolver)? else {
            return Ok(None);
        };
        let protocol = self.protocol(signal, &endpoint, resolver);
        let compression = self.compression(signal, resolver);
        let headers = self.headers(signal, resolver)?;
        let mut timeouts = defaults.timeout_variables.to_vec();
        timeouts.extend(signal.variables(SignalOption::Timeout));
        let timeout = resolver.millis("timeout", self.timeout, &timeouts, Duration::from_secs(10));
        let retries = defaults.retry_variables;
        let retry_for = resolver.millis("retry_for", self.retry_for, retries, defaults.retry_for);
        let secure = endpoint.uri.scheme() == Some(&Scheme::HTTPS);
        if secure && !cfg!(feature = "tls") {
            return Err(Error::new(
                format_args!("the endpoint {} needs TLS", client::redacted(&endpoint.uri)),
                "enable the feature `tls`, or give an http:// endpoint",
            ));
        }
        let proxies = match endpoint.socket {
            Some(_) => Proxies::default(),
            None => Proxies::from_environment(resolver)?,
        };
        if let Some(proxy) = proxies.proxy_of(&endpoint.uri) {
            let variable = if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" };
            resolver.note("proxy", proxy, Origin::Environment(variable));
        }
        let mut client = client::Client::builder()
            .proxies(proxies)
            .identity(self.identity(signal, secure, resolver)?)
            .connect_timeout(timeout);
        if protocol == Protocol::Grpc {
            client = client.http2_only();
        }
        if !secure {
            client = client.plain_only();
        }
        #[cfg(unix)]
        if let Some(socket) = &endpoint.socket {
            client = client.socket(socket);
        }
        Ok(Some(Exporter::new(
            client.build()?,
            Target {
                signal,
                protocol,
                compression,
                uri: service_uri(endpoint.uri, signal, protocol, is_full_url)?,
                headers,
                timeout,
                retry_for,
                backoff: self.backoff.unwrap_or(Duration::from_millis(200)),
            },
        )))
    }

    /// The endpoint, and whether it is the full URL: a signal's own variable is; to the common one
    /// paths are added to.
    fn endpoint(
        &self,
        signal: Signal,
        wanted: Exporters,
        resolver: &mut Resolver,
    ) -> Result<Option<(Endpoint, bool)>, Error> {
        let variables = signal.variables(SignalOption::Endpoint);
        let code = match &self.endpoint {
            None => None,
            Some(text) => Some(Some(Endpoint::parse(text).ok_or_else(|| {
                let shown = text.rsplit('@').next().unwrap_or_default();
                Error::new(format_args!("the endpoint is `{shown}`"), ENDPOINT_REMEDY)
            })?)),
        };
        let is_full_url = code.is_none() && resolver.variable(variables[0]).is_some();
        let parse = |text: &str| Endpoint::parse(text).map(Some);
        let variable = Variable { names: &variables, parse: &parse, remedy: ENDPOINT_REMEDY };
        let show = |known: &Option<Endpoint>| {
            known.as_ref().map_or("none".to_owned(), Endpoint::to_string)
        };
        let default =
            if wanted.otlp_is_explicit { Endpoint::parse(DEFAULT_ENDPOINT) } else { None };
        let endpoint = resolver.require("endpoint", code, &variable, default, show)?;
        Ok(endpoint.map(|endpoint| (endpoint, is_full_url)))
    }

    /// By default HTTP for port 4318 or an endpoint with a path, otherwise gRPC.
    fn protocol(&self, signal: Signal, endpoint: &Endpoint, resolver: &mut Resolver) -> Protocol {
        let has_path = !endpoint.uri.path().trim_matches('/').is_empty();
        let is_http = endpoint.uri.port_u16() == Some(4318) || has_path;
        let default = if is_http { Protocol::HttpProtobuf } else { Protocol::Grpc };
        let names = signal.variables(SignalOption::Protocol);
        let remedy = "give grpc, http/protobuf or http/json";
        let variable = Variable { names: &names, parse: &Protocol::parse, remedy };
        resolver.choose("protocol", self.protocol, &variable, default, Protocol::to_string)
    }

    fn compression(&self, signal: Signal, resolver: &mut Resolver) -> Compression {
        let names = signal.variables(SignalOption::Compression);
        let remedy = "give gzip (with the feature `gzip`) or none";
        let variable = Variable { names: &names, parse: &Compression::parse, remedy };
        let (code, default) = (self.compression, Compression::None);
        resolver.choose("compression", code, &variable, default, Compression::to_string)
    }

    fn headers(
        &self,
        signal: Signal,
        resolver: &mut Resolver,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let code = (!self.headers.is_empty()).then(|| self.headers.clone());
        let names = signal.variables(SignalOption::Headers);
        let remedy = "give `name=value,name=value`, percent-encoded";
        let variable = Variable { names: &names, parse: &parse_pairs, remedy };
        let show = |parse_pairs: &Vec<(String, String)>| {
            parse_pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
        };
        let headers = resolver.require("header", code, &variable, Vec::new(), show)?;
        headers.iter().map(|(name, value)| client::header(name, value)).collect()
    }

    fn identity(
        &self,
        signal: Signal,
        secure: bool,
        resolver: &mut Resolver,
    ) -> Result<TlsIdentity, Error> {
        if !secure {
            return Ok(TlsIdentity::default());
        }
        let mut file = |name, code: Option<String>, choice| {
            let names = signal.variables(choice);
            let path = |text: &str| Some(Some(text.to_owned()));
            let variable = Variable { names: &names, parse: &path, remedy: "" };
            let show = |path: &Option<String>| path.clone().unwrap_or_else(|| "none".to_owned());
            resolver.choose(name, code.map(Some), &variable, None, show)
        };
        let (chain, key) = self.identity.client.clone().unzip();
        let roots = file("trusted_roots", self.identity.roots.clone(), SignalOption::Certificate);
        let chain = file("client_certificate", chain, SignalOption::ClientCertificate);
        let key = file("client_key", key, SignalOption::ClientKey);
        let client = match (chain, key) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some((chain, key)),
            _ => {
                return Err(Error::new(
                    "a client's certificate is nothing without its key",
                    "set both OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY",
                ));
            }
        };
        Ok(TlsIdentity { roots, client })
    }
}

/// A URL, or a Unix-domain socket.
#[derive(Clone)]
struct Endpoint {
    uri: Uri,
    socket: Option<String>,
}

impl Endpoint {
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:").filter(|_| cfg!(unix)) {
            let path = path.strip_prefix("//").unwrap_or(path);
            let socket = path.starts_with('/').then(|| path.to_owned())?;
            return Some(Self { uri: Uri::from_static("http://localhost"), socket: Some(socket) });
        }
        let uri = text.parse::<Uri>().ok()?;
        let is_url = uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| has_valid_port(authority.as_str()))
            && matches!(uri.scheme_str(), Some("http" | "https"));
        is_url.then_some(Self { uri, socket: None })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(path) => write!(f, "unix:{path}"),
            None => f.write_str(&client::redacted(&self.uri)),
        }
    }
}

/// The URL of the service below the endpoint; a query stays.
fn service_uri(
    endpoint: Uri,
    signal: Signal,
    protocol: Protocol,
    is_full_url: bool,
) -> Result<Uri, Error> {
    let base = endpoint.path().trim_end_matches('/');
    let path = match protocol {
        Protocol::Grpc => signal.grpc_path().to_owned(),
        Protocol::HttpProtobuf | Protocol::HttpJson if is_full_url => endpoint.path().to_owned(),
        Protocol::HttpProtobuf | Protocol::HttpJson if base.ends_with(signal.http_path()) => {
            base.to_owned()
        }
        Protocol::HttpProtobuf | Protocol::HttpJson => format!("{base}{}", signal.http_path()),
    };
    let path = match endpoint.query().filter(|_| protocol != Protocol::Grpc) {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = endpoint.into_parts();
    parts.path_and_query = path.parse::<PathAndQuery>().ok();
    Uri::from_parts(parts).map_err(|error| Error::new(error, ENDPOINT_REMEDY))
}
