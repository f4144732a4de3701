//! Which collector, and how it is spoken to.

use crate::Error;
use crate::builder::{Builder, Connect};
use crate::environment::Resolver;

#[cfg(not(feature = "otlp"))]
pub(crate) fn of(resolver: &mut Resolver, code: &Builder) -> Result<Option<Connect>, Error> {
    let variables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let endpoint = code.endpoint.clone().or_else(|| Some(resolver.first(&variables)?.1));
    match endpoint {
        None => Ok(None),
        Some(endpoint) => Err(Error::new(
            format_args!("the endpoint {endpoint} cannot be used"),
            "enable the feature `otlp` of obs-tracing",
        )),
    }
}

#[cfg(feature = "otlp")]
pub(crate) use otlp::of;

#[cfg(feature = "otlp")]
mod otlp {
    use std::time::Duration;

    use http::header::{HeaderName, HeaderValue};
    use http::uri::{PathAndQuery, Scheme, Uri};

    use super::{Builder, Connect, Error, Resolver};
    use crate::builder::{Compression, Protocol};
    use crate::environment::pairs;
    use crate::export::{Client, GRPC_PATH, Target, Transport};

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    pub(crate) fn of(resolver: &mut Resolver, code: &Builder) -> Result<Option<Connect>, Error> {
        let parse = |text: &str| text.parse::<Uri>().ok().filter(is_endpoint).map(Some);
        let of_code = match &code.endpoint {
            None => None,
            Some(text) => Some(
                parse(text)
                    .ok_or_else(|| Error::new(format_args!("the endpoint is `{text}`"), REMEDY))?,
            ),
        };
        // A variable for traces alone is the whole URL; the general one is what paths are added to.
        let whole = of_code.is_none() && resolver.variable(TRACES_ENDPOINT).is_some();
        let variables = &[TRACES_ENDPOINT, ENDPOINT];
        let show = |uri: &Option<Uri>| uri.as_ref().map_or("none".to_owned(), without_password);
        let endpoint =
            resolver.choose("endpoint", of_code, variables, parse, REMEDY, None, show)?;
        let protocol = protocol(resolver, code.protocol, endpoint.as_ref())?;
        let compression = compression(resolver, code.compression)?;
        let headers = headers(resolver, &code.headers)?;
        let Some(endpoint) = endpoint else { return Ok(None) };
        let secure = endpoint.scheme() == Some(&Scheme::HTTPS);
        if secure && !cfg!(feature = "tls") {
            return Err(Error::new(
                format_args!("the endpoint {} needs TLS", without_password(&endpoint)),
                "enable the feature `tls` of obs-tracing, or give an http:// endpoint",
            ));
        }
        let target = Target {
            protocol,
            uri: service(endpoint, protocol, whole)?,
            headers,
            compression,
            #[cfg(feature = "tls")]
            tls: tls(resolver, code, secure)?,
            timeout: code.timeout.unwrap_or(Duration::from_secs(10)),
        };
        Ok(Some(Box::new(move || Ok(Transport::Otlp(Box::new(Client::new(target)))))))
    }

    const REMEDY: &str = "give a URL such as http://127.0.0.1:4317";

    fn is_endpoint(uri: &Uri) -> bool {
        uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))
    }

    fn without_password(uri: &Uri) -> String {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
    }

    fn protocol(
        resolver: &mut Resolver,
        code: Option<Protocol>,
        endpoint: Option<&Uri>,
    ) -> Result<Protocol, Error> {
        let of_port = match endpoint.and_then(Uri::port_u16) {
            Some(4318) => Protocol::HttpProtobuf,
            _ => Protocol::Grpc,
        };
        let parse = |text: &str| match text {
            "grpc" => Some(Protocol::Grpc),
            "http/protobuf" => Some(Protocol::HttpProtobuf),
            "http/json" => Some(Protocol::HttpJson),
            _ => None,
        };
        let show = |protocol: &Protocol| {
            match protocol {
                Protocol::Grpc => "grpc",
                Protocol::HttpProtobuf => "http/protobuf",
                Protocol::HttpJson => "http/json",
            }
            .to_owned()
        };
        let variables = &["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let remedy = "give grpc, http/protobuf or http/json";
        resolver.choose("protocol", code, variables, parse, remedy, of_port, show)
    }

    fn compression(
        resolver: &mut Resolver,
        code: Option<Compression>,
    ) -> Result<Compression, Error> {
        let variables =
            &["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
        let parse = |text: &str| match text {
            "none" => Some(Compression::None),
            #[cfg(feature = "gzip")]
            "gzip" => Some(Compression::Gzip),
            _ => None,
        };
        let remedy = "give gzip (with the feature `gzip` of obs-tracing) or none";
        let default = Compression::None;
        let show = |compression: &Compression| format!("{compression:?}").to_lowercase();
        resolver.choose("compression", code, variables, parse, remedy, default, show)
    }

    fn headers(
        resolver: &mut Resolver,
        code: &[(String, String)],
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let of_code = (!code.is_empty()).then(|| code.to_vec());
        let variables = &["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        let names = |pairs: &Vec<(String, String)>| {
            pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
        };
        let remedy = "give `name=value,name=value`";
        let headers =
            resolver.choose("header", of_code, variables, pairs, remedy, Vec::new(), names)?;
        let parsed = headers.iter().map(|(name, value)| {
            let parsed = (name.parse::<HeaderName>().ok(), value.parse::<HeaderValue>().ok());
            let (Some(name), Some(mut value)) = parsed else {
                return Err(Error::new(
                    format_args!("`{name}` is no header that can be sent"),
                    "give a name of letters, digits and dashes, and a value without line breaks",
                ));
            };
            value.set_sensitive(true);
            Ok((name, value))
        });
        parsed.collect()
    }

    /// Who is trusted, and who we are.
    #[cfg(feature = "tls")]
    fn tls(
        resolver: &mut Resolver,
        code: &Builder,
        secure: bool,
    ) -> Result<rustls::ClientConfig, Error> {
        use crate::export::{TlsFiles, tls_config};

        let mut file = |name, code: Option<String>, variables: &[&'static str; 2]| {
            let path = |text: &str| Some(Some(text.to_owned()));
            let show = |path: &Option<String>| path.clone().unwrap_or_else(|| "none".to_owned());
            resolver.choose(name, code.map(Some), variables, path, "", None, show)
        };
        let roots = file(
            "trusted_roots",
            code.roots.clone(),
            &["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        )?;
        let (chain, key) = code.client.clone().unzip();
        let chain = file(
            "client_certificate",
            chain,
            &[
                "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            ],
        )?;
        let key = file(
            "client_key",
            key,
            &["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"],
        )?;
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
        let files = TlsFiles { roots, client };
        tls_config(&files, secure)
            .map_err(|cause| Error::new(cause, "give readable PEM files that fit"))
    }

    /// The URL of the service below the endpoint.
    fn service(endpoint: Uri, protocol: Protocol, whole: bool) -> Result<Uri, Error> {
        let path = endpoint.path().trim_end_matches('/');
        let path = match protocol {
            Protocol::Grpc => GRPC_PATH.to_owned(),
            Protocol::HttpProtobuf | Protocol::HttpJson
                if whole || path.ends_with("/v1/traces") =>
            {
                endpoint.path().to_owned()
            }
            Protocol::HttpProtobuf | Protocol::HttpJson => format!("{path}/v1/traces"),
        };
        let mut parts = endpoint.into_parts();
        parts.path_and_query = path.parse::<PathAndQuery>().ok();
        Uri::from_parts(parts).map_err(|error| Error::new(error, REMEDY))
    }
}
