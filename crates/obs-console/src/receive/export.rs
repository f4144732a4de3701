//! What both roads of OTLP do with a decoded request.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};

use super::json_request::NotUnderstood;
use super::value::service_name;
use super::{logs, metrics, spans};
use crate::model::{MetricSource, now_nanos};
use crate::store::{Store, Taken};

pub(super) fn traces(
    store: &Store,
    request: ExportTraceServiceRequest,
    lost: NotUnderstood,
) -> ExportTraceServiceResponse {
    store.count_not_understood(|counters| &mut counters.spans_rejected, lost.count);
    let taken = store.add_spans(spans::spans(request));
    let partial_success = partial(taken, lost).map(|(rejected_spans, error_message)| {
        ExportTracePartialSuccess { rejected_spans, error_message }
    });
    ExportTraceServiceResponse { partial_success }
}

pub(super) fn logs(
    store: &Store,
    request: ExportLogsServiceRequest,
    lost: NotUnderstood,
) -> ExportLogsServiceResponse {
    store.count_not_understood(|counters| &mut counters.logs_rejected, lost.count);
    let taken = store.add_logs(logs::lines(request));
    let partial_success = partial(taken, lost).map(|(rejected_log_records, error_message)| {
        ExportLogsPartialSuccess { rejected_log_records, error_message }
    });
    ExportLogsServiceResponse { partial_success }
}

pub(super) fn metrics(
    store: &Store,
    request: ExportMetricsServiceRequest,
    lost: NotUnderstood,
) -> ExportMetricsServiceResponse {
    store.count_not_understood(|counters| &mut counters.samples_rejected, lost.count);
    let now = now_nanos();
    let mut all = Taken::default();
    for of_resource in request.resource_metrics {
        let service = service_name(of_resource.resource.as_ref());
        let metrics = of_resource.scope_metrics.into_iter().flat_map(|of_scope| of_scope.metrics);
        let mut left_out = 0;
        let mut families = Vec::new();
        let observations = metrics.flat_map(|metric| {
            families.push(metrics::family(&metric));
            let (observations, too_large) = metrics::observations(metric);
            left_out += too_large;
            observations
        });
        let taken = store.add_metrics(&service, MetricSource::Push, (now, now), observations);
        store.add_families(&service, MetricSource::Push, families);
        all.accepted += taken.accepted;
        all.rejected += taken.rejected + left_out;
        all.reason = taken.reason.or(all.reason);
        if left_out > 0 {
            store.count_not_understood(|counters| &mut counters.samples_rejected, left_out);
            all.reason = Some(
                "a point without a value, or with more than 64 labels, 1,024 bytes a label or 512 buckets",
            );
        }
    }
    let partial_success = partial(all, lost).map(|(rejected_data_points, error_message)| {
        ExportMetricsPartialSuccess { rejected_data_points, error_message }
    });
    ExportMetricsServiceResponse { partial_success }
}

/// What was rejected, and why: the sender's mistake before our limit.
fn partial(taken: Taken, lost: NotUnderstood) -> Option<(i64, String)> {
    let reason = lost.reason.or(taken.reason.map(Into::into))?;
    Some((i64::try_from(taken.rejected + lost.count).unwrap_or(i64::MAX), reason))
}
