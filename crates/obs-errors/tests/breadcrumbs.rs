//! What a breadcrumb says is what the line said.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod common;

use common::{builder, reported};
use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use serde_json::json;
use tracing::{error, info};

#[test]
fn breadcrumb_values_of_each_type_are_kept() {
    let reports = reported(builder(), |_| {
        let (trace_id, span_id) = (TraceId::random(), SpanId::random());
        let (name, route) = ("work", None);
        set_active_span(Some(ActiveSpan { trace_id, span_id, sampled: true, name, route }));
        info!(
            float = -0.25,
            small = f64::MIN_POSITIVE,
            nothing = f64::NAN,
            zero = 0,
            signed = i64::MIN,
            least = -1,
            unsigned = u64::MAX,
            yes = true,
            text = "a\u{1c}f0\u{1f}b\u{1e}c\u{1d}1",
            coded = "\u{1c}u1",
            long = "x".repeat(5_000),
            debug = ?Some(1),
            "said {}",
            1
        );
        tracing::info!(alone = 7_u64);
        error!("failed");
        set_active_span(None);
    });
    let [first, second] = reports[0].breadcrumbs.as_slice() else { panic!("{reports:#?}") };
    assert_eq!((first.message.as_str(), second.message.as_str()), ("said 1", ""));
    let mut fields: serde_json::Map<_, _> = first.fields.iter().cloned().collect();
    let long = fields.remove("long").unwrap();
    assert!(long.as_str().unwrap().len() < 600, "{long}");
    let expected = json!({
        "float": -0.25,
        "small": f64::MIN_POSITIVE,
        "nothing": "NaN",
        "zero": 0,
        "signed": i64::MIN,
        "least": -1,
        "unsigned": u64::MAX,
        "yes": true,
        "text": "a\u{fffd}f0\u{fffd}b\u{fffd}c\u{fffd}1",
        "coded": "\u{fffd}u1",
        "debug": "Some(1)",
    });
    assert_eq!(serde_json::Value::Object(fields), expected);
    assert_eq!(second.fields, [("alone".to_owned(), json!(7))]);
}
