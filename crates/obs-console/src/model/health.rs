//! The results of a service's probes.

use serde_json::Value;

/// The answers of one service's probes at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// `/readyz` answered 200.
    pub ready: bool,
    /// `/healthz` answered 200.
    pub live: bool,
    /// The `checks` of the readiness probe's body, or null.
    pub checks: Value,
    /// Why nothing could be learned, where nothing could.
    pub error: Option<Box<str>>,
}
