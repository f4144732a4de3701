//! The options of a signal's export.

use std::fmt;
use std::time::Duration;

use crate::protocol::{Compression, Protocol};

/// The options of a signal's export; `Options::exporter` (feature `export`) adds the environment's.
#[derive(Clone, Default)]
pub struct Options {
    /// `http://host:4317`, `https://...`, or `unix:/path`.
    pub endpoint: Option<String>,
    /// Default: by the port or the path.
    pub protocol: Option<Protocol>,
    /// Default: none.
    pub compression: Option<Compression>,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// The time for one attempt.
    pub timeout: Option<Duration>,
    /// The time for all attempts.
    pub retry_for: Option<Duration>,
    /// The wait after the first failure, doubled with each further one up to 25 times that.
    pub backoff: Option<Duration>,
    /// Trusted roots and the client's certificate.
    pub identity: TlsIdentity,
}

/// Trusted roots and the client's certificate for `https://` URLs: PEM files, read when the client is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsIdentity {
    /// Roots to trust in place of the system's.
    pub roots: Option<String>,
    /// Our own certificate with its chain, and its key.
    pub client: Option<(String, String)>,
}

/// Endpoint and headers may hold secrets.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// The methods of a builder whose field `$field` holds [`Options`]: one set for every signal.
#[doc(hidden)]
#[macro_export]
macro_rules! option_methods {
    ($field:ident) => {
        /// The protocol. Default: gRPC, or protobuf over HTTP where the endpoint's port is
        /// 4318 or it has a path.
        pub fn protocol(mut self, protocol: $crate::Protocol) -> Self {
            self.$field.protocol = Some(protocol);
            self
        }

        /// Compresses requests.
        pub fn compression(mut self, compression: $crate::Compression) -> Self {
            self.$field.compression = Some(compression);
            self
        }

        /// Sends this header with every request, such as an `authorization`.
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.$field.headers.push((name.into(), value.into()));
            self
        }

        /// The time for one attempt of an export. Default: 10 s.
        pub fn timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.$field.timeout = Some(timeout);
            self
        }

        /// The time for all attempts of an export together; then its items are dropped and
        /// counted. Zero tries once.
        pub fn retry_for(mut self, retry_for: ::std::time::Duration) -> Self {
            self.$field.retry_for = Some(retry_for);
            self
        }

        /// The wait after the first failed attempt; it doubles with each further one, up to 25 times this. A
        /// collector's `Retry-After` counts more. Default: 200 ms.
        pub fn backoff(mut self, first: ::std::time::Duration) -> Self {
            self.$field.backoff = Some(first);
            self
        }

        /// Trusts the certificates in this PEM file, in place of the system's, on an `https://` endpoint
        /// (feature `tls`).
        pub fn trusted_roots(mut self, path: impl Into<String>) -> Self {
            self.$field.identity.roots = Some(path.into());
            self
        }

        /// Shows an `https://` endpoint this certificate with its chain, and its private key, both PEM files
        /// (feature `tls`).
        pub fn client_certificate(
            mut self,
            chain: impl Into<String>,
            key: impl Into<String>,
        ) -> Self {
            self.$field.identity.client = Some((chain.into(), key.into()));
            self
        }
    };
}
