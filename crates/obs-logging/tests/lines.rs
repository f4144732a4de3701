//! What a line has, in which order, and as which type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::{kept, logged};
use obs_context::{ActiveSpan, SpanId, TraceId, set_active_span};
use obs_logging::{Builder, Logger, bind};
use tracing::{error, info, info_span, warn};

#[test]
fn fields_keep_fixed_order_and_types() {
    let (dispatch, kept, _logging) = kept(Builder::new().static_field("service", "orders"));
    tracing::dispatcher::with_default(&dispatch, || {
        let context = obs_logging::Context::new();
        context.bind("request_id", "r-1");
        let _entered = context.enter();
        let _span = info_span!("place", order = 7_u64).entered();
        set_active_span(Some(ActiveSpan {
            trace_id: TraceId::new(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
            span_id: SpanId::new(0xb7ad_6b71_6920_3331),
            sampled: true,
            name: "place",
            route: None,
        }));
        info!(target: "orders", user_id = 123, ratio = 0.5, ok = true, name = "Alice", "user created");
        set_active_span(None);
    });
    let text = kept.text();
    let (timestamp, rest) = text.split_at(r#"{"timestamp":"2026-06-19T10:23:45.123456Z"#.len());
    assert!(timestamp.starts_with(r#"{"timestamp":"2"#));
    assert_eq!(
        rest,
        concat!(
            r#"","level":"info","target":"orders","event":"user created","#,
            r#""trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","#,
            r#""service":"orders","request_id":"r-1","order":7,"#,
            r#""user_id":123,"ratio":0.5,"ok":true,"name":"Alice"}"#,
            "\n"
        )
    );
}

#[test]
fn numbers_beyond_json_are_strings() {
    let line = logged(|| {
        info!(
            big = u128::MAX,
            small = i128::MIN,
            fits = 7_u128,
            nan = f64::NAN,
            up = f64::INFINITY,
            down = f64::NEG_INFINITY,
            bytes = &b"\xff\x00"[..],
        );
    })
    .line();
    assert_eq!(line["big"], u128::MAX.to_string());
    assert_eq!(line["small"], i128::MIN.to_string());
    assert_eq!(line["fits"], 7);
    assert_eq!(line["nan"], "NaN");
    assert_eq!(line["up"], "Infinity");
    assert_eq!(line["down"], "-Infinity");
    assert_eq!(line["bytes"], "ff00");
    assert_eq!(line["event"], serde_json::Value::Null);
}

#[test]
fn error_field_has_message_and_chain() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the order was not saved")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let line = logged(|| {
        let failure = Outer(std::io::Error::other("disk full"));
        error!(error = &failure as &dyn std::error::Error, "failed");
    })
    .line();
    assert_eq!(line["error.message"], "the order was not saved");
    assert_eq!(line["error.chain"], serde_json::json!(["disk full"]));
}

#[test]
fn innermost_field_of_same_name_wins() {
    let context = obs_logging::Context::new();
    context.bind("who", "ambient").bind("ambient", true);
    let _entered = context.enter();
    let kept = logged(|| {
        let _outer = info_span!("outer", who = "outer", a = 1).entered();
        info!("in outer");
        let _inner = info_span!("inner", who = "inner", b = 2).entered();
        info!("in inner");
        info!(who = "event", "own");
        info!(a = 1, a = 2, "twice");
    });
    let lines = kept.lines();
    let who: Vec<_> = lines.iter().map(|line| line["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["outer", "inner", "event", "inner"]);
    assert_eq!(lines[2]["a"], 1);
    assert_eq!(lines[2]["b"], 2);
    assert_eq!(lines[2]["ambient"], true);
    assert_eq!(lines[3]["a"], 2);
}

#[test]
fn reserved_names_get_underscore() {
    let line = logged(|| {
        let _span = info_span!("s", timestamp = "then", name = "fine").entered();
        info!(level = 9, target = "goal", event = "party", "said");
    })
    .line();
    assert_eq!(line["timestamp_"], "then");
    assert_eq!(line["level_"], 9);
    assert_eq!(line["target_"], "goal");
    assert_eq!(line["event_"], "party");
    assert_eq!(line["event"], "said");
    assert_eq!(line["name"], "fine");
}

#[test]
fn active_span_ids_replace_fields_of_same_name() {
    let lines = logged(|| {
        info!(trace_id = "mine", "outside");
        set_active_span(Some(ActiveSpan {
            trace_id: TraceId::new(1),
            span_id: SpanId::new(2),
            sampled: false,
            name: "s",
            route: None,
        }));
        info!(trace_id = "mine", "inside");
        info!(parent: None, "at the root");
        set_active_span(None);
    })
    .lines();
    assert_eq!(lines[0]["trace_id"], "mine");
    assert_eq!(lines[1]["trace_id"], "00000000000000000000000000000001");
    assert!(lines[2]["trace_id"].is_null());
}

#[test]
fn later_span_record_reaches_children() {
    let lines = logged(|| {
        let outer = info_span!("outer", user = tracing::field::Empty, a = 1);
        let inner = info_span!(parent: &outer, "inner", b = 2);
        let _inner = inner.enter();
        info!("before");
        outer.record("user", "alice");
        info!("after");
        outer.record("user", "bob");
        inner.record("b", 3);
        info!("again");
    })
    .lines();
    assert!(lines[0]["user"].is_null());
    assert_eq!(lines[1]["user"], "alice");
    assert_eq!(lines[2]["user"], "bob");
    assert_eq!(lines[2]["b"], 3);
    assert_eq!(lines[2]["a"], 1);
}

#[test]
fn explicit_parent_sets_context() {
    let lines = logged(|| {
        let other = info_span!("other", of = "other");
        let _here = info_span!("here", of = "here").entered();
        info!(parent: &other, "there");
        info!("here");
        info!(parent: None, "nowhere");
    })
    .lines();
    assert_eq!(lines[0]["of"], "other");
    assert_eq!(lines[1]["of"], "here");
    assert!(lines[2]["of"].is_null());
}

#[test]
fn bound_logger_adds_fields_to_own_lines_only() {
    let lines = logged(|| {
        let log = Logger::bind("request_id", "abc-123").and("path", "/api/tasks");
        obs_logging::info!(log; "handling request");
        obs_logging::warn!(log; rows = 4, "db query done");
        warn!("other");
    })
    .lines();
    assert_eq!(lines[0]["request_id"], "abc-123");
    assert_eq!(lines[1]["rows"], 4);
    assert_eq!(lines[1]["path"], "/api/tasks");
    assert!(lines[2]["path"].is_null());
}

#[test]
fn bind_in_nested_call_adds_to_context() {
    let lines = logged(|| {
        assert!(!bind!(nobody = "hears"));
        let context = obs_logging::Context::new();
        let entered = context.enter();
        fn deep() {
            assert!(bind!(user_id = 42, plan = %"pro", debug = ?Some(1), dotted.name = 1.5, "any name" = true));
        }
        deep();
        info!("inside");
        drop(entered);
        info!("outside");
    })
    .lines();
    assert_eq!(lines[0]["user_id"], 42);
    assert_eq!(lines[0]["plan"], "pro");
    assert_eq!(lines[0]["debug"], "Some(1)");
    assert_eq!(lines[0]["dotted.name"], 1.5);
    assert_eq!(lines[0]["any name"], true);
    assert!(lines[1]["user_id"].is_null());
}

#[test]
fn event_key_renames_message_field() {
    let (dispatch, kept, _logging) = kept(Builder::new().event_key("msg"));
    tracing::dispatcher::with_default(&dispatch, || {
        info!(msg = "field", other = 1, "message");
        info!(msg = "field");
    });
    let lines = kept.lines();
    assert_eq!((&lines[0]["msg"], &lines[0]["other"]), (&"message".into(), &1.into()));
    assert_eq!(lines[1]["msg"], "field");
    assert!(lines[0]["event"].is_null());
}

#[test]
fn known_error_types_are_named() {
    #[derive(Debug)]
    struct Declined;
    impl std::fmt::Display for Declined {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("declined")
        }
    }
    impl std::error::Error for Declined {}
    let shown = |builder: Builder| {
        let (dispatch, kept, _logging) = kept(builder);
        tracing::dispatcher::with_default(&dispatch, || {
            info!(error = &Declined as &dyn std::error::Error, "own");
            let number = "x".parse::<u8>().unwrap_err();
            let _span = info_span!("span", error.r#type = "outer").entered();
            info!(cause = &number as &dyn std::error::Error, "std");
            info!(error = &number as &dyn std::error::Error, "over that of the span");
        });
        kept.lines()
    };
    assert!(shown(Builder::new())[0]["error.type"].is_null());
    let lines = shown(Builder::new().error_type::<Declined>());
    assert!(lines[0]["error.type"].as_str().unwrap().ends_with("::Declined"), "{lines:?}");
    assert_eq!(lines[1]["cause.type"], "std::num::ParseIntError");
    assert_eq!(lines[2]["error.type"], "std::num::ParseIntError");
}

#[test]
fn fields_past_context_limit_are_counted() {
    let before = obs_logging::Context::fields_left_out();
    let context = obs_logging::Context::new();
    context.bind("fits", 1).bind("long", "x".repeat(60_000)).bind("more", "y".repeat(60_000));
    let _entered = context.enter();
    let line = logged(|| info!("event")).line();
    assert!(line["more"].is_null() && line["fits"] == 1);
    assert_eq!(obs_logging::Context::fields_left_out() - before, 1);
}
