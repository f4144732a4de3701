//! Values of settings that belong to no pillar.

use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Which defaults to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preset {
    /// JSON lines, access log off, 5 s for the load balancers at shutdown.
    #[default]
    Production,
    /// Console lines on a terminal, an access line per request, shutdown without waiting.
    Development,
}

/// Looks a variable up.
pub(super) type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The admin server's listener and its token.
pub(crate) struct Admin {
    pub(crate) place: AdminPlace,
    pub(crate) token: Option<String>,
}

/// Where the admin server listens, if anywhere.
#[derive(Clone)]
pub(crate) enum AdminPlace {
    Off,
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// As `OBS_ADMIN_ADDR` is written.
impl Debug for AdminPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
