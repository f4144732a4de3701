//! W3C Trace Context: the cases of the working group's own suite (levels 1 and 2), and some more.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use std::collections::{BTreeMap, HashMap};

use common::Exported;
use http::{HeaderMap, HeaderName, HeaderValue};
use obs_tracing::propagate::{self, Propagators, RemoteContext};
use tracing::info_span;
use tracing_subscriber::prelude::*;

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn extract(pairs: &[(&str, &str)]) -> RemoteContext {
    propagate::extract(&headers(pairs))
}

fn parent(value: &str) -> RemoteContext {
    extract(&[("traceparent", value)])
}

/// The outgoing headers of a request that came in with these.
fn through(pairs: &[(&str, &str)]) -> HeaderMap {
    let (layer, _traces) = Exported::default().builder().build().unwrap();
    let mut outgoing = HeaderMap::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = extract(pairs).scope(|| info_span!("request"));
        span.in_scope(|| info_span!("send").in_scope(|| propagate::inject(&mut outgoing)));
    });
    outgoing
}

fn state(values: &[&str]) -> String {
    let parent = [("traceparent", PARENT)];
    let states = values.iter().map(|value| ("tracestate", *value));
    let pairs: Vec<_> = parent.into_iter().chain(states).collect();
    let outgoing = through(&pairs);
    assert!(outgoing["traceparent"].to_str().unwrap().contains(TRACE));
    outgoing.get("tracestate").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[test]
fn missing_headers_start_new_trace() {
    let outgoing = through(&[]);
    let parent = outgoing["traceparent"].to_str().unwrap();
    assert_eq!(parent.len(), 55);
    assert!(parent.starts_with("00-") && parent.ends_with("-03"), "sampled, of a random trace id");
    assert!(!outgoing.contains_key("tracestate"));
}

#[test]
fn trace_id_is_kept_and_parent_id_is_new() {
    let outgoing = through(&[("traceparent", PARENT)]);
    let value = outgoing["traceparent"].to_str().unwrap();
    assert_eq!(&value[3..35], TRACE);
    assert_ne!(&value[36..52], "1234567890123456");
    assert_eq!(&value[53..], "01", "the caller does not say that the id is random");
    assert_eq!(outgoing.get_all("traceparent").iter().count(), 1);
}

#[test]
fn random_flag_is_kept_and_unknown_flags_are_cleared() {
    let flags = |flags: &str| {
        let value = format!("00-{TRACE}-1234567890123456-{flags}");
        let outgoing = through(&[("traceparent", &value)]);
        outgoing["traceparent"].to_str().unwrap()[53..].to_owned()
    };
    assert_eq!(flags("00"), "00");
    assert_eq!(flags("02"), "02");
    assert_eq!(flags("03"), "03");
    assert_eq!(flags("ff"), "03");
    assert_eq!(flags("fc"), "00");
}

#[test]
fn several_traceparents_are_rejected() {
    let other = "00-12345678901234567890123456789011-1234567890123456-01";
    assert!(!extract(&[("traceparent", other), ("traceparent", PARENT)]).is_valid());
    assert!(!extract(&[("traceparent", PARENT), ("traceparent", PARENT)]).is_valid());
    assert!(!extract(&[("traceparent", &format!("{PARENT},{PARENT}"))]).is_valid());
}

#[test]
fn traceparent_name_is_case_insensitive() {
    for name in ["trace-parent", "trace.parent"] {
        assert!(!extract(&[(name, PARENT)]).is_valid());
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        assert!(extract(&[(name, PARENT)]).is_valid());
    }
}

#[test]
fn traceparent_version_decides_on_extra_fields() {
    for extra in [".", "-", "-what-the-future-will-be-like"] {
        assert!(!parent(&format!("{PARENT}{extra}")).is_valid(), "{extra}");
    }
    let future = PARENT.replacen("00", "cc", 1);
    for extra in ["", "-", "-what-the-future-will-be-like"] {
        let context = parent(&format!("{future}{extra}"));
        assert_eq!(context.trace_id().to_string(), TRACE);
    }
    assert!(!parent(&format!("{future}.what-the-future-will-be-like")).is_valid());
    assert!(!parent(&PARENT.replacen("00", "ff", 1)).is_valid());
    for version in [".0", "0.", "000", "0000", "0", "", "0A", "CC"] {
        assert!(!parent(&PARENT.replacen("00", version, 1)).is_valid(), "{version}");
    }
}

#[test]
fn malformed_ids_and_flags_are_rejected() {
    for (id, others) in [
        (
            TRACE,
            &[
                "00000000000000000000000000000000",
                ".2345678901234567890123456789012",
                "1234567890123456789012345678901.",
                "123456789012345678901234567890123",
                "1234567890123456789012345678901",
                "A2345678901234567890123456789012",
                "",
            ][..],
        ),
        (
            "1234567890123456-",
            &[
                "0000000000000000-",
                ".234567890123456-",
                "123456789012345.-",
                "12345678901234567-",
                "123456789012345-",
                "A234567890123456-",
                "-",
            ],
        ),
        ("-01", &["-.0", "-0.", "-001", "-1", "-", "", "-0A", "_01"]),
    ] {
        for other in others {
            let value = PARENT.replacen(id, other, 1);
            assert_ne!(value, PARENT);
            assert!(!parent(&value).is_valid(), "{value}");
        }
    }
}

#[test]
fn whitespace_around_traceparent_is_allowed() {
    for value in [" {}", "\t{}", "{} ", "{}\t", "\t {} \t"] {
        assert!(parent(&value.replace("{}", PARENT)).is_valid(), "{value:?}");
    }
}

#[test]
fn tracestate_without_traceparent_is_dropped() {
    assert!(!through(&[("tracestate", "foo=1")]).contains_key("tracestate"));
    assert_eq!(extract(&[("traceparent", "nonsense"), ("tracestate", "foo=1")]).trace_state(), "");
}

#[test]
fn tracestate_members_keep_order() {
    assert_eq!(state(&["foo=1,bar=2"]), "foo=1,bar=2");
    assert_eq!(state(&[""]), "");
    assert_eq!(state(&["foo=1", ""]), "foo=1");
    assert_eq!(state(&["", "foo=1"]), "foo=1");
    assert_eq!(
        state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]),
        "foo=1,bar=2,rojo=1,congo=2,baz=3"
    );
    assert_eq!(state(&["foo=1,,bar=2, ,"]), "foo=1,bar=2");
    assert_eq!(state(&["foo=1 \t , \t bar=2, \t baz=3"]), "foo=1,bar=2,baz=3");
    assert_eq!(state(&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"]), "foo=1,bar=2,baz=3");
    for value in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
        assert_eq!(state(&[value]), "foo=1");
    }
    // Unique keys are the sender's duty (level 2, section 3.5): passed on as they are.
    assert_eq!(state(&["foo=1,foo=2"]), "foo=1,foo=2");
}

#[test]
fn all_allowed_characters_are_accepted() {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|sign| !",=".contains(*sign)).collect();
    let at_signs = ["foo@", "foo@@bar", "foo@bar@baz", "0@1", "a@-"].map(str::to_owned);
    let simple = [key.to_owned(), format!("{key}@a-z0-9_-*/"), "0digit".to_owned()];
    for key in at_signs.into_iter().chain(simple) {
        let member = format!("{key}={value}");
        assert_eq!(state(&[&member]), member);
    }
}

#[test]
fn invalid_member_discards_tracestate() {
    for bad in [
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1,bar=2",
        "foo=bar=baz",
        "foo=,bar=3",
        "foo",
        "=1",
        "foo=\u{e9}",
        "foo=a\tb",
    ] {
        assert_eq!(state(&[bad, "good=1"]), "", "{bad}");
    }
}

#[test]
fn tracestate_keys_and_values_have_length_limits() {
    for (tenant, system, allowed) in [
        (256, 0, true),
        (257, 0, false),
        (241, 14, true),
        (242, 13, true),
        (1, 254, true),
        (242, 14, false),
    ] {
        let mut key = "t".repeat(tenant);
        if system > 0 {
            key.push('@');
            key.push_str(&"v".repeat(system));
        }
        let kept = state(&["foo=1", &format!("{key}=1")]);
        let wanted = if allowed { format!("foo=1,{key}=1") } else { String::new() };
        assert_eq!(kept, wanted);
    }
    assert_eq!(state(&[&format!("foo={}", "v".repeat(256))]).len(), 260);
    assert_eq!(state(&[&format!("foo={}", "v".repeat(257))]), "");
}

#[test]
fn tracestate_of_several_headers_is_limited_to_32_members() {
    let members: Vec<_> = (1..=33).map(|number| format!("bar{number:02}={number:02}")).collect();
    let lines = |count: usize| {
        let lines: Vec<_> = members[..count].chunks(10).map(|line| line.join(",")).collect();
        state(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(lines(32), members[..32].join(","));
    assert_eq!(lines(33), "");
}

#[test]
fn requests_from_one_span_share_trace() {
    let (layer, _traces) = Exported::default().builder().build().unwrap();
    let mut parents = Vec::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let request = parent(PARENT).scope(|| info_span!("request"));
        request.in_scope(|| {
            for _ in 0..3 {
                let mut outgoing = HeaderMap::new();
                info_span!("send").in_scope(|| propagate::inject(&mut outgoing));
                parents.push(outgoing["traceparent"].to_str().unwrap()[3..52].to_owned());
            }
        });
    });
    assert!(parents.iter().all(|value| value.starts_with(TRACE)));
    parents.dedup();
    assert_eq!(parents.len(), 3);
}

#[test]
fn baggage_without_traceparent_is_propagated() {
    let outgoing = through(&[
        ("baggage", "tenant = acme ; ttl=5, bad key=1, empty="),
        ("baggage", "user=J%C3%B6rg"),
    ]);
    assert_eq!(outgoing["baggage"], "tenant=acme;ttl=5,empty=,user=J%C3%B6rg");
    let baggage = propagate::extract(&outgoing).baggage();
    assert_eq!(baggage.value("tenant").as_deref(), Some("acme"));
    assert_eq!(baggage.value("user").as_deref(), Some("Jörg"));
    assert_eq!(baggage.value("none"), None);
    let many: String = (0..300).map(|number| format!("k{number}=1,")).collect();
    assert_eq!(extract(&[("baggage", &many)]).baggage().iter().count(), 180);
}

#[test]
fn baggage_values_are_trimmed() {
    for (sent, kept) in [
        ("a=1 ;p", "a=1;p"),
        ("a=1\t; p = 2 ;;q=", "a=1;p=2;q="),
        (" a = 1 , b=2 ; p ", "a=1,b=2;p"),
        ("a=one two,b=2", "b=2"),
        ("a=1;p=\"quoted\",b=2", "b=2"),
        ("a=1;p q,b=2", "b=2"),
    ] {
        let outgoing = through(&[("baggage", sent)]);
        assert_eq!(outgoing["baggage"], kept, "{sent}");
    }
    let outgoing = through(&[("baggage", "tenant=acme ; p, user=x\t;q")]);
    let baggage = propagate::extract(&outgoing).baggage();
    assert_eq!(baggage.value("tenant").as_deref(), Some("acme"));
    assert_eq!(baggage.value("user").as_deref(), Some("x"));
}

#[test]
fn maps_are_carriers_with_keys_of_any_case() {
    let pairs = || {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        [pair("Traceparent", PARENT), pair("TRACESTATE", "foo=1"), pair("Baggage", "tenant=acme")]
    };
    let remotes = [
        propagate::extract(&HashMap::<String, String>::from(pairs())),
        propagate::extract(&BTreeMap::from(pairs())),
    ];
    for remote in remotes {
        assert_eq!(remote.trace_id().to_string(), TRACE);
        assert_eq!(remote.baggage().value("tenant").as_deref(), Some("acme"));
        let (layer, _traces) = Exported::default().builder().build().unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let mut outgoing = HashMap::from(pairs());
            remote.scope(|| info_span!("request")).in_scope(|| propagate::inject(&mut outgoing));
            assert_eq!(outgoing.len(), 3, "one header of each name: {outgoing:?}");
            assert_ne!(outgoing["traceparent"], PARENT);
            assert_eq!(outgoing["tracestate"], "foo=1");
        });
    }
}

#[test]
fn b3_and_jaeger_headers_are_extracted_and_injected() {
    let formats = Propagators::parse("b3,b3multi,jaeger").unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let single = format!("{trace}-b7ad6b7169203331-1-05e3ac9a4f6e3b90");
    let jaeger = format!("{trace}:b7ad6b7169203331:0:1");
    for pairs in [
        vec![("b3", single.as_str())],
        vec![("X-B3-TraceId", trace), ("X-B3-SpanId", "b7ad6b7169203331"), ("X-B3-Sampled", "1")],
        vec![("X-B3-TraceId", trace), ("X-B3-SpanId", "b7ad6b7169203331"), ("X-B3-Flags", "1")],
        vec![("uber-trace-id", jaeger.as_str())],
    ] {
        let context = formats.extract(&headers(&pairs));
        assert_eq!(context.trace_id().to_string(), trace, "{pairs:?}");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled());
    }
    let short = formats.extract(&headers(&[("b3", "8448eb211c80319c-b7ad6b7169203331-0")]));
    assert_eq!(short.trace_id().to_string(), "00000000000000008448eb211c80319c");
    assert!(!short.is_sampled());
    for bad in [
        "0",
        "x-y-1",
        "-b7ad6b7169203331-1",
        "0-0-1",
        "0af7651916cd43dd8448eb211c80319c00-b7ad6b7169203331-1",
    ] {
        assert!(!formats.extract(&headers(&[("b3", bad)])).is_valid(), "{bad}");
    }
    let (layer, _traces) = Exported::default().builder().build().unwrap();
    let mut outgoing = HeaderMap::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("send").in_scope(|| formats.inject(&mut outgoing));
    });
    assert!(!outgoing.contains_key("traceparent"));
    let (b3, jaeger) = (&outgoing["b3"], &outgoing["uber-trace-id"]);
    assert_eq!(b3.len(), 32 + 1 + 16 + 1 + 1);
    assert_eq!(&b3.as_bytes()[..32], &jaeger.as_bytes()[..32]);
    assert_eq!(outgoing["x-b3-sampled"], "1");
}

proptest::proptest! {
    #[test]
    fn headers_of_any_text_never_panic_or_propagate_malformed(
        parent in "\\PC{0,70}", state in "[ -~]{0,80}", baggage in "[ -~]{0,80}",
    ) {
        let pairs = std::collections::HashMap::from([
            ("traceparent".to_owned(), parent.clone()),
            ("tracestate".to_owned(), state),
            ("baggage".to_owned(), baggage),
            ("b3".to_owned(), parent.clone()),
            ("uber-trace-id".to_owned(), parent),
        ]);
        let all = Propagators::parse("tracecontext,baggage,b3,jaeger").unwrap();
        let context = all.extract(&pairs);
        let once = context.baggage().to_string();
        let again = std::collections::HashMap::from([("baggage".to_owned(), once.clone())]);
        proptest::prop_assert_eq!(all.extract(&again).baggage().to_string(), once);
    }
}
