//! Handles a decoded OTLP request, of gRPC and of HTTP.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};

use super::json_request::SkippedItems;
use super::value::service_name;
use super::{logs, metrics, spans};
use crate::model::{MetricSource, now_nanos};
use crate::store::{AddOutcome, Store};

pub(super) fn traces(
    store: &Store,
    request: ExportTraceServiceRequest,
    skipped: SkippedItems,
) -> ExportTraceServiceResponse {
    store.count_skipped(|counters| &mut counters.spans_rejected, skipped.count);
    let taken = store.add_spans(spans::spans(request));
    let partial_success = partial_success(taken, skipped).map(|(rejected_spans, error_message)| {
        ExportTracePartialSuccess { rejected_spans, error_message }
    });
    ExportTraceServiceResponse { partial_success }
}

pub(super) fn logs(
    store: &Store,
    request: ExportLogsServiceRequest,
    skipped: SkippedItems,
) -> ExportLogsServiceResponse {
    store.count_skipped(|counters| &mut counters.logs_rejected, skipped.count);
    let taken = store.add_logs(logs::lines(request));
    let partial_success =
        partial_success(taken, skipped).map(|(rejected_log_records, error_message)| {
            ExportLogsPartialSuccess { rejected_log_records, error_message }
        });
    ExportLogsServiceResponse { partial_success }
}

pub(super) fn metrics(
    store: &Store,
    request: ExportMetricsServiceRequest,
    skipped: SkippedItems,
) -> ExportMetricsServiceResponse {
    store.count_skipped(|counters| &mut counters.samples_rejected, skipped.count);
    let now = now_nanos();
    let mut all = AddOutcome::default();
    for of_resource in request.resource_metrics {
        let service = service_name(of_resource.resource.as_ref());
        let metrics = of_resource.scope_metrics.into_iter().flat_map(|of_scope| of_scope.metrics);
        let mut skipped = 0;
        let mut families = Vec::new();
        let observations = metrics.flat_map(|metric| {
            families.push(metrics::family(&metric));
            let (observations, too_large) = metrics::observations(metric);
            skipped += too_large;
            observations
        });
        let taken = store.add_metrics(&service, MetricSource::Push, (now, now), observations);
        store.add_families(&service, MetricSource::Push, families);
        all.accepted += taken.accepted;
        all.rejected += taken.rejected + skipped;
        all.reason = taken.reason.or(all.reason);
        if skipped > 0 {
            store.count_skipped(|counters| &mut counters.samples_rejected, skipped);
            all.reason = Some(
                "a point without a value, or with more than 64 labels, 1,024 bytes a label or 512 buckets",
            );
        }
    }
    let partial_success =
        partial_success(all, skipped).map(|(rejected_data_points, error_message)| {
            ExportMetricsPartialSuccess { rejected_data_points, error_message }
        });
    ExportMetricsServiceResponse { partial_success }
}

/// What was rejected, and why: the sender's mistake before our limit.
fn partial_success(taken: AddOutcome, skipped: SkippedItems) -> Option<(i64, String)> {
    let reason = skipped.reason.or(taken.reason.map(Into::into))?;
    Some((i64::try_from(taken.rejected + skipped.count).unwrap_or(i64::MAX), reason))
}
