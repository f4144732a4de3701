//! Requests in JSON, decoded item by item: an invalid item loses only itself.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use serde::de::DeserializeOwned;

use super::json::Node;

/// Items that were not understood, and why the last of them was not.
#[derive(Debug, Default)]
pub(super) struct SkippedItems {
    pub(super) count: u64,
    pub(super) reason: Option<String>,
}

impl SkippedItems {
    fn add(&mut self, items: usize, reason: String) {
        self.count += items as u64;
        self.reason = Some(reason);
    }

    /// The message, or `None` and so many items more.
    fn read<T: DeserializeOwned>(&mut self, node: Node, items: usize) -> Option<T> {
        node.read().map_err(|reason| self.add(items, reason)).ok()
    }
}

/// A message of resources that hold scopes that hold items.
pub(super) trait JsonRequest: Sized {
    /// The message and what of it was left out, or why the whole is none.
    fn from_json(body: &[u8]) -> Result<(Self, SkippedItems), String>;
}

macro_rules! request {
    ($request:ident { $resources:ident: $resource:ident { $scopes:ident: $scope:ident { $items:ident } } },
     $resource_field:literal, $scope_field:literal, $item_field:literal, $item:expr) => {
        impl JsonRequest for $request {
            fn from_json(body: &[u8]) -> Result<(Self, SkippedItems), String> {
                let mut request = Node::parse(body)?;
                let mut skipped = SkippedItems::default();
                let resources = request.take_list($resource_field);
                let mut read: Self = request.read()?;
                for mut of_resource in resources {
                    let scopes = of_resource.take_list($scope_field);
                    // A resource that is not understood leaves its items without a name, not without
                    // a place.
                    let mut resource: $resource = skipped.read(of_resource, 0).unwrap_or_default();
                    for mut of_scope in scopes {
                        let items = of_scope.take_list($item_field);
                        let mut scope: $scope = skipped.read(of_scope, 0).unwrap_or_default();
                        scope.$items = items
                            .into_iter()
                            .filter_map(|item| $item(item, &mut skipped))
                            .collect();
                        resource.$scopes.push(scope);
                    }
                    read.$resources.push(resource);
                }
                Ok((read, skipped))
            }
        }
    };
}

request!(
    ExportTraceServiceRequest {
        resource_spans: ResourceSpans { scope_spans: ScopeSpans { spans } }
    },
    "resourceSpans",
    "scopeSpans",
    "spans",
    |item, skipped: &mut SkippedItems| skipped.read(item, 1)
);
request!(
    ExportLogsServiceRequest {
        resource_logs: ResourceLogs { scope_logs: ScopeLogs { log_records } }
    },
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    |item, skipped: &mut SkippedItems| skipped.read(item, 1)
);
request!(
    ExportMetricsServiceRequest {
        resource_metrics: ResourceMetrics { scope_metrics: ScopeMetrics { metrics } }
    },
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
    metric
);

/// A metric with those of its points that are understood.
fn metric(mut node: Node, skipped: &mut SkippedItems) -> Option<Metric> {
    let kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
    let points = kinds.iter().find_map(|kind| Some(node.field(kind)?.take_list("dataPoints")));
    let points = points.unwrap_or_default();
    let mut metric: Metric = skipped.read(node, points.len().max(1))?;
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points = read_all(points, skipped),
        Some(Data::Sum(sum)) => sum.data_points = read_all(points, skipped),
        Some(Data::Histogram(histogram)) => histogram.data_points = read_all(points, skipped),
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram.data_points = read_all(points, skipped);
        }
        Some(Data::Summary(summary)) => summary.data_points = read_all(points, skipped),
        None => skipped.add(points.len().max(1), "a metric has no data that is known".into()),
    }
    Some(metric)
}

fn read_all<T: DeserializeOwned>(points: Vec<Node>, skipped: &mut SkippedItems) -> Vec<T> {
    points.into_iter().filter_map(|point| skipped.read(point, 1)).collect()
}
