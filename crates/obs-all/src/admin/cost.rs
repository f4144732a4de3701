//! `/debug/cost`: the bill, so that telemetry which costs more than it is worth is found and dropped.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use obs_logging::Logging;
use obs_metrics::Registry;
use obs_tracing::Traces;
use serde_json::{Value, json};

use super::answer;

/// One kind of telemetry at one place in the code.
struct Item {
    kind: &'static str,
    name: String,
    count: u64,
    /// Series have none: they cost where they are stored.
    bytes: u64,
}

/// Log call sites and span names by bytes, then metric families by series: a table, or JSON where
/// `Accept` asks for it.
pub(super) fn answer(
    logging: &Logging,
    traces: &Traces,
    registry: &Registry,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let items = items(logging, traces, registry);
    let accept = request.headers().get(header::ACCEPT).map(HeaderValue::as_bytes);
    match accept.is_some_and(|accept| accept.windows(4).any(|part| part == b"json")) {
        true => answer::json(StatusCode::OK, &json!({"cost": as_json(&items)})),
        false => answer::plain(as_table(&items)),
    }
}

fn items(logging: &Logging, traces: &Traces, registry: &Registry) -> Vec<Item> {
    let lines = logging.costs().into_iter().map(|site| {
        let place = site.file.zip(site.line).map(|(file, line)| format!(" {file}:{line}"));
        let name = format!("{} {}{}", site.level, site.target, place.unwrap_or_default());
        Item { kind: "log", name, count: site.lines, bytes: site.bytes }
    });
    let spans = traces.costs().into_iter().map(|span| Item {
        kind: "span",
        name: span.name.to_owned(),
        count: span.spans,
        bytes: span.bytes,
    });
    let families = registry.cardinality().families.into_iter().map(|family| Item {
        kind: "series",
        name: family.name,
        count: family.series as u64,
        bytes: 0,
    });
    let mut items: Vec<Item> = lines.chain(spans).chain(families).collect();
    items.sort_by_key(|item| std::cmp::Reverse((item.bytes, item.count)));
    items
}

fn as_json(items: &[Item]) -> Value {
    let all = total(items);
    let item = |item: &Item| {
        json!({
            "kind": item.kind,
            "name": item.name,
            "count": item.count,
            "bytes": item.bytes,
            "share": item.bytes as f64 / all,
        })
    };
    items.iter().map(item).collect()
}

fn as_table(items: &[Item]) -> String {
    let all = total(items);
    let mut table = format!("{:<7} {:>12} {:>14} {:>7}  name\n", "kind", "count", "bytes", "share");
    for item in items {
        let share = item.bytes as f64 / all * 100.0;
        table += &format!(
            "{:<7} {:>12} {:>14} {share:>6.1}%  {}\n",
            item.kind, item.count, item.bytes, item.name
        );
    }
    table
}

fn total(items: &[Item]) -> f64 {
    items.iter().map(|item| item.bytes).sum::<u64>().max(1) as f64
}
