//! Exemplars come by themselves from the active span, where it is sampled.

use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_metrics::{Buckets, Registry};

fn span(sampled: bool) -> ActiveSpan {
    ActiveSpan {
        trace_id: TraceId::new(0xabc),
        span_id: SpanId::new(0xdef),
        sampled,
        name: "work",
        route: None,
    }
}

const LABELS: &str = "{trace_id=\"00000000000000000000000000000abc\",span_id=\"0000000000000def\"}";

#[test]
fn observation_in_sampled_span_has_exemplar() {
    let registry = Registry::new();
    let orders = registry.counter_vec("orders_total", "Orders.", ["status"]).unwrap();
    let wait = registry.histogram("wait_seconds", "Wait.", Buckets::new([0.5, 1.0])).unwrap();
    set_active_span(Some(span(true)));
    orders.with(["created"]).inc_by(2);
    wait.observe(0.75);
    set_active_span(None);
    orders.with(["created"]).inc();
    wait.observe(3.0);

    let text = registry.encode_openmetrics();
    let counter = format!("orders_total{{status=\"created\"}} 3 # {LABELS} 2 ");
    assert!(text.contains(&counter), "{text}");
    assert!(
        text.contains(&format!("wait_seconds_bucket{{le=\"1.0\"}} 1 # {LABELS} 0.75 ")),
        "{text}"
    );
    assert!(text.contains("wait_seconds_bucket{le=\"0.5\"} 0\n"), "{text}");
    assert!(text.contains("wait_seconds_bucket{le=\"+Inf\"} 2\n"), "{text}");

    let classic = registry.encode_text();
    assert!(!classic.contains(" # "), "the text format has no exemplars: {classic}");
}

#[test]
fn observation_in_unsampled_span_has_no_exemplar() {
    let registry = Registry::new();
    let orders = registry.counter("orders_total", "Orders.").unwrap();
    set_active_span(Some(span(false)));
    orders.inc();
    set_active_span(None);
    assert!(!registry.encode_openmetrics().contains("trace_id"));
}

#[test]
fn concurrent_stores_leave_consistent_exemplar() {
    let registry = Registry::new();
    let orders = registry.counter("orders_total", "Orders.").unwrap();
    std::thread::scope(|scope| {
        for number in 1..=4_u64 {
            let (orders, registry) = (&orders, &registry);
            scope.spawn(move || {
                set_active_span(Some(ActiveSpan {
                    trace_id: TraceId::new(u128::from(number) << 64 | u128::from(number)),
                    span_id: SpanId::new(number),
                    ..span(true)
                }));
                let started = std::time::Instant::now();
                while started.elapsed().as_millis() < 60 {
                    orders.inc_by(number);
                    if number != 1 {
                        continue;
                    }
                    let text = registry.encode_openmetrics();
                    let line = text.lines().find(|line| line.starts_with("orders_total ")).unwrap();
                    let Some((_, exemplar)) = line.split_once(" # ") else { continue };
                    let whole = (1..=4_u64).any(|n| {
                        exemplar.starts_with(&format!(
                            "{{trace_id=\"{n:016x}{n:016x}\",span_id=\"{n:016x}\"}} {n} "
                        ))
                    });
                    assert!(whole, "{exemplar}");
                }
            });
        }
    });
}
