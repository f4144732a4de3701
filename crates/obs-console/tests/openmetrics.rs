//! The metrics text, well-formed and not.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use obs_console::{SeriesKind, parse_openmetrics};
use obs_context::{SpanId, TraceId};
use proptest::prelude::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[test]
fn openmetrics_is_parsed_with_families_labels_and_exemplars() {
    let page = format!(
        r#"# HELP http_requests Requests.
# TYPE http_requests counter
# UNIT http_requests
http_requests_total{{method="GET",path="/a\\b\"c\nd, {{}} # x"}} 5 1700000000.5
http_requests_created{{method="GET",path="/a"}} 1700000000.1
# TYPE latency_seconds histogram
latency_seconds_bucket{{le="0.1"}} 3 # {{trace_id="{TRACE}",span_id="b7ad6b7169203331"}} 0.07 1700000000.25
latency_seconds_bucket{{le="+Inf",}} 4 # {{trace_id="{TRACE}"}} 0.7
latency_seconds_count 4
latency_seconds_sum 1.5e-1
# TYPE temperature gauge
temperature -Inf
# TYPE build info
build_info{{version="1"}} 1
# TYPE rpc summary
rpc{{quantile="0.5"}} NaN
rpc_count 2
undeclared_total 1
undeclared 2
# EOF
after_the_end 1
"#
    );
    let read = parse_openmetrics(&page);
    assert_eq!(read.bad_lines, 0, "{read:#?}");
    let names: Vec<_> = read.observations.iter().map(|one| &*one.series.name).collect();
    assert_eq!(
        names,
        [
            "http_requests_total",
            "latency_seconds_bucket",
            "latency_seconds_bucket",
            "latency_seconds_count",
            "latency_seconds_sum",
            "temperature",
            "build_info",
            "rpc",
            "rpc_count",
            "undeclared_total",
            "undeclared",
        ]
    );
    let of = |at: usize| &read.observations[at];
    assert_eq!(&*of(0).series.family, "http_requests");
    assert_eq!(of(0).series.label("path"), Some("/a\\b\"c\nd, {} # x"));
    assert_eq!(of(0).value, 5.0);
    let exemplar = of(1).exemplar.unwrap();
    assert_eq!(exemplar.trace_id, TRACE.parse::<TraceId>().unwrap());
    assert_eq!(exemplar.span_id, Some("b7ad6b7169203331".parse::<SpanId>().unwrap()));
    assert_eq!((exemplar.value, exemplar.timestamp), (0.07, Some(1_700_000_000.25)));
    assert_eq!(of(2).exemplar.unwrap().timestamp, None);
    assert_eq!(&*of(4).series.family, "latency_seconds");
    assert_eq!(of(5).value, f64::NEG_INFINITY);
    assert!(of(7).value.is_nan());
    let counters = [0, 1, 2, 3, 4, 8, 9];
    for (at, one) in read.observations.iter().enumerate() {
        let expected = if counters.contains(&at) { SeriesKind::Counter } else { SeriesKind::Gauge };
        assert_eq!(one.series.kind, expected, "{}", one.series.name);
    }
}

#[test]
fn prometheus_text_is_parsed() {
    let read = parse_openmetrics(
        "# TYPE requests_total counter\nrequests_total{a=\"b\"} 3 1700000000000\n",
    );
    assert_eq!(&*read.observations[0].series.family, "requests_total");
    assert_eq!(read.observations[0].series.kind, SeriesKind::Counter);
}

#[test]
fn malformed_line_is_counted_and_rest_is_parsed() {
    for bad in [
        "novalue",
        "x{a=\"b\" 1",
        "x{a=\"b} 1",
        "x{a=b} 1",
        "x{a} 1",
        "x{,,} 1",
        "x one",
        "x 1 two",
        "x 1 2 3",
        "{a=\"b\"} 1",
        "x{a=\"\\",
        "x{a=\"b\"c=\"d\"} 1",
        &format!("x{{a=\"{}\"}} 1", "y".repeat(20_000)),
        &format!("x{{{}}} 1", (0..100).map(|n| format!("a{n}=\"\",")).collect::<String>()),
    ] {
        let read = parse_openmetrics(&format!("good 1\n{bad}\ngood 2\n"));
        assert_eq!((read.bad_lines, read.observations.len()), (1, 2), "{bad:.40}");
    }
}

#[test]
fn exemplar_without_trace_is_ignored() {
    for exemplar in [
        "",
        "{}",
        "{a=\"b\"} 1",
        "{trace_id=\"xyz\"} 1",
        "{trace_id",
        "{trace_id=\"00000000000000000000000000000000\"} 1",
    ] {
        let read = parse_openmetrics(&format!("x_total 1 # {exemplar}\n"));
        assert_eq!(read.observations.len(), 1, "{exemplar}");
        assert_eq!(read.observations[0].exemplar, None, "{exemplar}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_parsed_without_panic(text in "\\PC*") {
        parse_openmetrics(&text);
    }

    #[test]
    fn arbitrary_openmetrics_characters_are_parsed_without_panic(
        text in r#"([a-z_]{0,3}[{}"\\=,# \n0-9.é+-]{0,6}|# TYPE a counter\n|trace_id="){0,30}"#
    ) {
        parse_openmetrics(&text);
    }

    #[test]
    fn label_values_parse_back(value in "\\PC{0,40}", number in any::<f64>()) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let read = parse_openmetrics(&format!("x{{a=\"{escaped}\"}} {number}\n"));
        prop_assert_eq!(read.bad_lines, 0);
        prop_assert_eq!(read.observations[0].series.label("a"), Some(&*value));
        let back = read.observations[0].value;
        prop_assert!(back == number || (back.is_nan() && number.is_nan()));
    }
}
