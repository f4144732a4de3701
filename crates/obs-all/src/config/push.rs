//! Whether metrics are pushed too.

use obs_metrics::Push;

use super::otlp::Signal;
use super::{Config, Explanation};
use crate::error::Error;

/// Pushes where `OTEL_METRICS_EXPORTER` is `otlp`.
pub(super) fn resolve(
    config: &Config,
    explanation: &mut Explanation,
) -> Result<Option<Push>, Error> {
    let signal = Signal::new(config, "METRICS");
    // The admin server shows them either way.
    let Some(export) = signal.export(["prometheus", "none"], explanation)? else {
        return Ok(None);
    };
    signal.only(
        "TEMPORALITY_PREFERENCE",
        "cumulative",
        "metrics are what Prometheus shows, which is cumulative: give cumulative, and let the collector's \
         cumulativetodelta processor make the differences",
    )?;
    signal.only(
        "DEFAULT_HISTOGRAM_AGGREGATION",
        "explicit_bucket_histogram",
        "give explicit_bucket_histogram: the buckets are those of the registry",
    )?;
    let mut push = Push::new(export.endpoint).resource(export.resource);
    if export.gzip {
        push = push.gzip();
    }
    if let Some(interval) = signal.milliseconds("OTEL_METRIC_EXPORT_INTERVAL")? {
        push = push.interval(interval);
    }
    if let Some(timeout) = signal.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT")?.or(export.timeout) {
        push = push.timeout(timeout);
    }
    for (key, value) in export.headers {
        push = push.header(key, value);
    }
    Ok(Some(push))
}
