//! Whatever is logged: every line is one JSON object, and says what was logged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

mod common;

use std::collections::BTreeMap;

use common::{kept, logged};
use obs_logging::{Builder, Context};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info, info_span};

#[derive(Clone, Debug)]
enum Any {
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

fn any_value() -> impl Strategy<Value = Any> {
    prop_oneof![
        any::<String>().prop_map(Any::Text),
        "[\\x00-\\x7f]{0,40}".prop_map(Any::Text),
        any::<u64>().prop_map(Any::Unsigned),
        any::<i64>().prop_map(Any::Signed),
        any::<f64>().prop_map(Any::Float),
        any::<bool>().prop_map(Any::Bool),
    ]
}

fn json(value: &Any) -> serde_json::Value {
    match value {
        Any::Text(text) => text.as_str().into(),
        Any::Unsigned(number) => (*number).into(),
        Any::Signed(number) => (*number).into(),
        Any::Float(number) if number.is_nan() => "NaN".into(),
        Any::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Any::Float(number) => (*number).into(),
        Any::Bool(truth) => (*truth).into(),
    }
}

fn bind(context: &Context, name: &str, value: &Any) {
    match value {
        Any::Text(text) => context.bind(name, text),
        Any::Unsigned(number) => context.bind(name, number),
        Any::Signed(number) => context.bind(name, number),
        Any::Float(number) => context.bind(name, number),
        Any::Bool(truth) => context.bind(name, truth),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn context_names_and_values_parse_back(fields in proptest::collection::vec((any::<String>(), any_value()), 0..12)) {
        let context = Context::new();
        let mut expected = BTreeMap::new();
        for (name, value) in &fields {
            bind(&context, name, value);
            let shown = name.strip_prefix("r#").unwrap_or(name);
            let reserved = ["timestamp", "level", "target", "event"].contains(&shown);
            expected.insert(format!("{shown}{}", if reserved { "_" } else { "" }), json(value));
        }
        let _entered = context.enter();
        let mut line = logged(|| info!("event")).line().0;
        for own in ["timestamp", "level", "target", "event"] {
            prop_assert!(line.remove(own).is_some());
        }
        prop_assert_eq!(line, expected);
    }

    #[test]
    fn event_and_span_values_parse_back(text in any::<String>(), number in any::<f64>(), big in any::<u128>()) {
        let lines = logged(|| {
            let _span = info_span!("span", in_span = %text, quoted = text).entered();
            info!(debug = ?text, number, big, "message {text}");
        })
        .lines();
        let line = &lines[0];
        prop_assert_eq!(lines.len(), 1);
        prop_assert_eq!(&line["in_span"], &text);
        prop_assert_eq!(&line["quoted"], &text);
        prop_assert_eq!(&line["debug"], &format!("{text:?}"));
        prop_assert_eq!(&line["event"], &format!("message {text}"));
        prop_assert_eq!(&line["number"], &json(&Any::Float(number)));
        match u64::try_from(big) {
            Ok(small) => prop_assert_eq!(&line["big"], &small),
            Err(_) => prop_assert_eq!(&line["big"], &big.to_string()),
        }
    }
}

/// What a task does between its lines.
#[derive(Clone, Copy, Debug)]
enum Step {
    Yield,
    Bind,
    Span,
    Record,
    Spawn,
    Select,
    Blocking,
}

fn any_steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = proptest::sample::select(vec![
        Step::Yield,
        Step::Bind,
        Step::Span,
        Step::Record,
        Step::Spawn,
        Step::Select,
        Step::Blocking,
    ]);
    proptest::collection::vec(proptest::collection::vec(step, 1..8), 2..12)
}

/// Logs as the task of this number, whatever it does; every line tells whose it should be.
async fn task(number: u64, steps: Vec<Step>) {
    let outer = info_span!("task", of_span = number, late = tracing::field::Empty);
    let work = async {
        for (position, step) in steps.into_iter().enumerate() {
            match step {
                Step::Yield => tokio::task::yield_now().await,
                Step::Bind => assert!(obs_logging::bind!(bound = number)),
                Step::Record => {
                    tracing::Span::current().record("late", number);
                }
                Step::Span => {
                    let inner = info_span!("inner", inner = number);
                    async {
                        tokio::task::yield_now().await;
                        info!(expected = number, has_inner = true, "inside");
                    }
                    .instrument(inner)
                    .await;
                }
                Step::Spawn => {
                    let line = async move { info!(expected = number, "spawned") };
                    let spawned = line.in_current_span().with_current_subscriber();
                    tokio::spawn(spawned).await.unwrap();
                }
                Step::Select => tokio::select! {
                    () = tokio::task::yield_now() => info!(expected = number, "one"),
                    () = async { info!(expected = number, "two") } => {}
                },
                Step::Blocking => {
                    let (span, context) = (tracing::Span::current(), Context::current());
                    let dispatch = tracing::dispatcher::get_default(Clone::clone);
                    let work = move || {
                        tracing::dispatcher::with_default(&dispatch, || {
                            let context = context.unwrap();
                            let _context = context.enter();
                            span.in_scope(|| info!(expected = number, "blocking"));
                        });
                    };
                    tokio::task::spawn_blocking(work).await.unwrap();
                }
            }
            info!(expected = number, position, "step");
        }
    };
    work.instrument(outer).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn concurrent_tasks_do_not_mix_fields(tasks in any_steps()) {
        let (dispatch, kept, _logging) = kept(Builder::new());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        let count = tasks.len();
        runtime.block_on(async {
            let mut set = tokio::task::JoinSet::new();
            for (number, steps) in tasks.into_iter().enumerate() {
                let context = Context::new();
                context.bind("ambient", number);
                let work = context.scope(task(number as u64, steps));
                set.spawn(work.with_subscriber(dispatch.clone()));
            }
            assert_eq!(set.join_all().await.len(), count);
        });
        let lines = kept.lines();
        prop_assert!(lines.len() >= count);
        for line in lines {
            for name in ["ambient", "of_span"] {
                prop_assert_eq!(&line[name], &line["expected"], "{}", name);
            }
            for name in ["bound", "late", "inner"] {
                prop_assert!(line[name].is_null() || line[name] == line["expected"], "{}", name);
            }
            if line["has_inner"] == true {
                prop_assert_eq!(&line["inner"], &line["expected"]);
            } else {
                prop_assert!(line["inner"].is_null());
            }
        }
    }
}

/// Each task has its own context and span, and moves between threads at every await.
#[test]
fn ten_thousand_tasks_across_threads_do_not_mix_fields() {
    const TASKS: u64 = 10_000;
    let (dispatch, kept, _logging) = kept(Builder::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut set = tokio::task::JoinSet::new();
        for number in 0..TASKS {
            let context = Context::new();
            context.bind("ambient", number);
            let work = async move {
                for step in 0..3 {
                    let thread = format!("{:?}", std::thread::current().id());
                    info!(expected = number, step, thread, "line");
                    tokio::task::yield_now().await;
                    assert!(obs_logging::bind!(bound = number));
                }
            };
            let span = || info_span!("task", of_span = number);
            let span = tracing::dispatcher::with_default(&dispatch, span);
            let work = context.scope(work.instrument(span));
            set.spawn(work.with_subscriber(dispatch.clone()));
        }
        assert_eq!(set.join_all().await.len() as u64, TASKS);
    });
    let mut threads = BTreeMap::new();
    let mut hops = 0;
    let lines = kept.lines();
    assert_eq!(lines.len() as u64, TASKS * 3);
    for line in lines {
        for name in ["ambient", "of_span"] {
            assert_eq!(line[name], line["expected"], "{name}");
        }
        assert!(line["bound"].is_null() || line["bound"] == line["expected"]);
        let (number, thread) = (line["expected"].as_u64(), line["thread"].clone());
        hops += u64::from(threads.insert(number, thread.clone()).is_some_and(|was| was != thread));
    }
    assert!(hops > 0, "no task has changed its thread");
}

/// What another parser, of another language, makes of lines with any values.
#[test]
fn python_json_agrees_with_serde_json() {
    const PROGRAM: &str = r#"
import json, sys
def once(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)
def refuse(text):
    raise ValueError(text)
for line in sys.stdin.buffer.read().split(b"\n")[:-1]:
    print(json.dumps(json.loads(line, object_pairs_hook=once, parse_constant=refuse)))
"#;
    let kept = logged(|| {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let any = (any::<String>(), any::<f64>(), any::<u128>(), any_value());
        for _ in 0..1000 {
            let (text, number, big, value) = any.new_tree(&mut runner).unwrap().current();
            let context = Context::new();
            bind(&context, &text, &value);
            let _context = context.enter();
            let _span = info_span!("span", in_span = %text, text).entered();
            let error = std::io::Error::other(text.clone());
            let error = &error as &dyn std::error::Error;
            info!(number, big, debug = ?text, error, bytes = text.as_bytes(), "{text}");
        }
    });
    let python = std::process::Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        return obs_testing::skipped("python3 is not installed");
    };
    let (text, mut stdin) = (kept.text(), python.stdin.take().unwrap());
    let lines = text.clone();
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, lines.as_bytes()).unwrap());
    let read = python.wait_with_output().unwrap();
    assert!(read.status.success());
    let read = String::from_utf8(read.stdout).unwrap();
    assert_eq!(read.lines().count(), 1000);
    for (ours, pythons) in text.lines().zip(read.lines()) {
        let [ours, pythons] =
            [ours, pythons].map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        assert_eq!(ours, pythons);
    }
}
