//! A service that is scraped.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use obs_guard::has_valid_port;

use crate::Error;

/// A service and the address of its admin server, where `/metrics`, `/readyz` and `/healthz` are.
///
/// ```
/// let target: obs_console::Target = "orders=http://127.0.0.1:9464".parse()?;
/// # Ok::<(), obs_console::Error>(())
/// ```
#[derive(Clone)]
pub struct Target {
    service: Arc<str>,
    admin: Uri,
    token: Option<Arc<str>>,
}

impl Target {
    /// The service of this name, which is its `service.name` in OTLP too, with its admin server there.
    pub fn new(service: &str, admin_url: &str) -> Result<Self, Error> {
        let bad = |remedy| Error::target(admin_url, remedy);
        if service.is_empty() || service.len() > 128 {
            return Err(Error::target(service, "give a name of 1 to 128 bytes"));
        }
        let admin: Uri =
            admin_url.parse().map_err(|_| bad("give a URL such as http://127.0.0.1:9464"))?;
        if admin.scheme() != Some(&Scheme::HTTP) || admin.host().is_none() {
            return Err(bad("give a URL that begins with http://, since TLS is not spoken here"));
        }
        if !admin.authority().is_some_and(|authority| has_valid_port(authority.as_str())) {
            return Err(bad("give a port from 1 to 65535"));
        }
        Ok(Self { service: service.into(), admin, token: None })
    }

    /// The same, with the token that its admin server asks for. Its `Debug` shows it to nobody.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(crate) fn service(&self) -> &Arc<str> {
        &self.service
    }

    pub(crate) fn admin(&self) -> &Uri {
        &self.admin
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}={})", self.service, self.admin)
    }
}

impl FromStr for Target {
    type Err = Error;

    /// Reads `NAME=URL`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (service, admin_url) = text.split_once('=').ok_or_else(|| {
            Error::target(text, "give NAME=URL, such as orders=http://127.0.0.1:9464")
        })?;
        Self::new(service, admin_url)
    }
}
