//! What others make of our output: Python's OpenMetrics parser, and promtool.
#![allow(clippy::unwrap_used, reason = "helpers of tests may say that something cannot fail")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use obs_context::{ActiveSpan, Sample, SampleKind, Source, SpanId, TraceId, set_active_span};
use obs_metrics::{Buckets, Registry};
use proptest::prelude::*;

/// Reads OpenMetrics or the classic text, and writes one line a sample.
const PARSER: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families as classic
text = sys.stdin.buffer.read().decode()
for family in (strict if sys.argv[1] == "openmetrics" else classic)(text):
    print("family", repr((family.name, family.type, family.documentation, family.unit)))
    for s in family.samples:
        exemplar = s.exemplar and (sorted(s.exemplar.labels.items()), float(s.exemplar.value))
        print("sample", repr((s.name, sorted(s.labels.items()), float(s.value), exemplar)))
"#;

/// What the peer says, or `None` where it is missing.
fn ask(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else { return missing(program) };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

fn missing<T>(peer: &str) -> Option<T> {
    obs_testing::skipped(format_args!("{peer} is not installed"));
    None
}

/// What Python reads, or `None` where it or its library is missing.
fn python(format: &str, text: &str) -> Option<String> {
    let (_, library) = ask("python3", &["-c", "import prometheus_client.openmetrics.parser"], "")?;
    if !library.is_empty() {
        return missing("prometheus-client for Python");
    }
    let (good, said) = ask("python3", &["-c", PARSER, format], text)?;
    assert!(good, "{said}\n{text}");
    Some(said)
}

struct Own;

impl Source for Own {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        sink(Sample {
            name: "obs_lines_total",
            help: "Lines.",
            kind: SampleKind::Counter,
            labels: &[("level", "info")],
            value: 2.5,
        });
        for (name, value) in [("obs_falls_total", -1.0), ("obs_nothing_total", f64::NAN)] {
            let (help, kind) = ("No counter.", SampleKind::Counter);
            sink(Sample { name, help, kind, labels: &[], value });
        }
    }
}

/// A registry with everything that there is, and nasty text in it.
fn full() -> Registry {
    let registry = Registry::new();
    let odd = "a \"quoted\" \\ back\nand a {brace}, ünïcödé";
    let orders = registry.counter_vec("orders_total", odd, ["status", "by"]).unwrap();
    set_active_span(Some(ActiveSpan {
        trace_id: TraceId::new(0xabc),
        span_id: SpanId::new(0xdef),
        sampled: true,
        name: "span",
        route: None,
    }));
    orders.with(["created", odd]).inc_by(u64::from(u32::MAX));
    let wait = registry.histogram_vec("wait_seconds", "Wait.", ["by"], Buckets::around(0.3));
    let wait = wait.unwrap();
    wait.with(["x"]).observe(0.3);
    wait.with([""]).observe(1e9);
    wait.with([""]).observe(-1.0);
    let cold = registry.histogram("cold_celsius", "Below zero.", Buckets::new([-1.0, 1.0]));
    cold.unwrap().observe(0.5);
    let minus = registry.histogram("minus", "A sum below zero.", Buckets::new([0.5, 1.0]));
    minus.unwrap().observe(-3.0);
    set_active_span(None);
    for (name, value) in [("a", f64::NAN), ("b", f64::NEG_INFINITY), ("c", 1e-300), ("d", -0.0)] {
        registry.gauge_vec("level_celsius", "Level.", ["at"]).unwrap().with([name]).set(value);
    }
    let limited = registry.counter_vec("few_total", "Few.", ["x"]).unwrap().limit_series(1);
    limited.with(["1"]).inc();
    limited.with(["2"]).inc();
    registry.mount(Arc::new(Own));
    registry.info("build_info", "Build.", [("version", "1.2\n3")]).unwrap();
    registry.state_set("phase", "Phase.", &["up", "down"]).unwrap().set("down");
    let rows = registry.summary_vec("batch_rows", "Rows.", ["job"], &[0.5, 1.0]).unwrap();
    rows.with(["x"]).observe(10.0);
    registry
}

#[test]
fn python_parses_openmetrics() {
    let text = full().encode_openmetrics();
    let Some(read) = python("openmetrics", &text) else { return };
    for expected in [
        r#"family ('orders', 'counter', 'a "quoted" \\ back\nand a {brace}, ünïcödé', '')"#,
        "family ('wait_seconds', 'histogram', 'Wait.', 'seconds')",
        "family ('level_celsius', 'gauge', 'Level.', 'celsius')",
        "sample ('wait_seconds_bucket', [('by', 'x'), ('le', '0.3')], 1.0, \
         ([('span_id', '0000000000000def'), ('trace_id', '00000000000000000000000000000abc')], 0.3))",
        "sample ('wait_seconds_sum', [('by', '')], 999999999.0, None)",
        "sample ('few_total', [('otel_metric_overflow', 'true')], 1.0, None)",
        "sample ('obs_lines_total', [('level', 'info')], 2.5, None)",
        "sample ('level_celsius', [('at', 'b')], -inf, None)",
        "sample ('build_info', [('version', '1.2\\n3')], 1.0, None)",
        "family ('build', 'info', 'Build.', '')",
        "sample ('phase', [('phase', 'up')], 0.0, None)",
        "sample ('phase', [('phase', 'down')], 1.0, None)",
        "family ('batch_rows', 'summary', 'Rows.', '')",
        "sample ('batch_rows_count', [('job', 'x')], 1.0, None)",
        "sample ('batch_rows', [('job', 'x'), ('quantile', '0.5')], ",
    ] {
        assert!(read.contains(expected), "{expected}\n{read}");
    }
}

/// It refuses a whole text for one such sum or counter.
#[cfg(feature = "prometheus-client")]
#[test]
fn python_parses_scrape_with_foreign_registry() {
    use prometheus_client::metrics::{counter::ConstCounter, histogram::Histogram};
    let mut theirs = prometheus_client::registry::Registry::default();
    for (name, bounds, observed) in
        [("cold", [-1.0, 1.0], 5.0), ("warm", [0.0, 1.0], 5.0), ("minus", [0.0, 1.0], -2.0)]
    {
        let histogram = Histogram::new(bounds);
        histogram.observe(observed);
        theirs.register(name, "Histogram", histogram);
    }
    theirs.register("falls", "Below zero", ConstCounter::new(-1.0));
    theirs.register("nothing", "No value", ConstCounter::new(f64::NAN));
    let registry = Registry::new();
    registry.mount_prometheus_client(theirs);
    let Some(read) = python("openmetrics", &registry.encode_openmetrics()) else { return };
    for name in ["cold", "minus"] {
        let bucket = format!("sample ('{name}_bucket', [('le', '1.0')], ");
        assert!(read.contains(&bucket), "{read}");
    }
    assert!(read.contains("sample ('warm_sum', [], 5.0, None)"), "{read}");
}

#[test]
fn python_parses_classic_text() {
    let text = full().encode_text();
    let Some(read) = python("classic", &text) else { return };
    let orders = r#"('by', 'a "quoted" \\ back\nand a {brace}, ünïcödé'), ('status', 'created')], 4294967295.0"#;
    assert!(read.contains(orders), "{read}");
    assert!(read.contains("sample ('wait_seconds_count', [('by', '')], 2.0, None)"), "{read}");
}

#[test]
fn promtool_lint_finds_nothing() {
    let text = full().encode_text();
    let Some((good, said)) = ask("promtool", &["check", "metrics"], &text) else { return };
    assert!(good && said.is_empty(), "{said}\n{text}");
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_]{0,12}|.{0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    /// Whatever registration accepts is read back as it was given.
    #[test]
    fn accepted_definitions_parse_back(
        names in prop::collection::vec((name(), name(), ".{1,20}", ".{0,20}", any::<f64>()), 20..60),
    ) {
        let registry = Registry::new();
        let mut expected = Vec::new();
        for (at, (name, label, help, value, number)) in names.iter().enumerate() {
            let name = format!("{name}{at}");
            if let Ok(gauge) = registry.gauge_vec(&name, help, [label]) {
                gauge.with([value]).set(*number);
                expected.push((name.clone(), label, value, *number));
            }
            let counter = format!("c{name}_total");
            if let Ok(family) = registry.counter_vec(&counter, help, [label]) {
                family.with([value]).inc_by(at as u64);
                expected.push((counter, label, value, at as f64));
            }
        }
        for (format, text) in
            [("openmetrics", registry.encode_openmetrics()), ("classic", registry.encode_text())]
        {
            let script = format!(
                "{PARSER}\nimport json\nread = {{}}\nfor family in (strict if sys.argv[1] == 'openmetrics' \
                 else classic)(text):\n    for s in family.samples:\n        print('json', json.dumps([s.name, \
                 sorted(s.labels.items()), repr(float(s.value))]))\n"
            );
            let Some((good, said)) = ask("python3", &["-c", &script, format], &text) else { return Ok(()) };
            if said.contains("No module named 'prometheus_client'") {
                let _: Option<()> = missing("prometheus-client for Python");
                return Ok(());
            }
            prop_assert!(good, "{said}\n{text}");
            for (name, label, value, number) in &expected {
                let number = match number {
                    number if number.is_nan() => "nan".to_owned(),
                    number => format!("{number:e}"),
                };
                let found = said.lines().filter_map(|line| line.strip_prefix("json ")).any(|line| {
                    read_back(line, name, label, value, &number)
                });
                prop_assert!(found, "{name} {label} {value:?} {number}\n{said}\n{text}");
            }
        }
    }
}

/// Whether this line of JSON is that sample.
fn read_back(line: &str, name: &str, label: &str, value: &str, number: &str) -> bool {
    let Some((head, read)) = line.rsplit_once(", \"") else { return false };
    let same = match (read.trim_end_matches("\"]"), number) {
        ("nan", number) => number == "nan",
        (read, number) => read.parse::<f64>().ok() == number.parse().ok(),
    };
    same && head == format!("[{}, [[{}, {}]]", json(name), json(label), json(value))
}

/// A string as Python's `json.dumps` writes it.
fn json(text: &str) -> String {
    let mut out = String::from('"');
    for unit in text.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            0x20..0x7f => out.push(char::from(unit as u8)),
            other => out.push_str(&format!("\\u{other:04x}")),
        }
    }
    out.push('"');
    out
}
