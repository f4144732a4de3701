//! Whether log lines go to a collector too.

use obs_logging::Otlp;

use super::otlp::Signal;
use super::{Config, Explanation};
use crate::error::Error;

/// Sends where `OTEL_LOGS_EXPORTER` is `otlp`.
pub(super) fn resolve(
    config: &Config,
    explanation: &mut Explanation,
) -> Result<Option<Otlp>, Error> {
    // The lines are written either way.
    let export = Signal::new(config, "LOGS").export(["console", "none"], explanation)?;
    let Some(export) = export else { return Ok(None) };
    let mut otlp = Otlp::new(export.endpoint)
        .protocol(obs_logging::Protocol::HttpProtobuf)
        .compression(match export.gzip {
            true => obs_logging::Compression::Gzip,
            false => obs_logging::Compression::None,
        });
    for (name, value) in export.resource {
        otlp = otlp.resource(name, value);
    }
    for (name, value) in export.headers {
        otlp = otlp.header(name, value);
    }
    if let Some(timeout) = export.timeout {
        otlp = otlp.timeout(timeout);
    }
    Ok(Some(otlp))
}
