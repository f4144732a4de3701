//! Ids, request ids and routes: what is accepted, what is refused, what is bounded.

use obs_context::{RequestId, Route, SpanId, TraceId, current_request_id, random_u64};
use proptest::prelude::*;

proptest! {
    #[test]
    fn trace_id_parses_back(value in any::<u128>()) {
        let id = TraceId::new(value);
        prop_assert_eq!(id.to_string().parse::<TraceId>(), Ok(id));
        prop_assert_eq!(id.hex().to_vec(), id.to_string().into_bytes());
    }

    #[test]
    fn hex_digits_are_as_formatted(trace in any::<u128>(), span in any::<u64>()) {
        prop_assert_eq!(TraceId::new(trace).hex().to_vec(), format!("{trace:032x}").into_bytes());
        prop_assert_eq!(SpanId::new(span).hex().to_vec(), format!("{span:016x}").into_bytes());
    }

    #[test]
    fn request_id_with_other_characters_is_rejected(sent in proptest::collection::vec(any::<u8>(), 0..200)) {
        let harmless = !sent.is_empty()
            && sent.len() <= 128
            && sent.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
        prop_assert_eq!(RequestId::parse(&sent).is_some(), harmless);
        let accepted = RequestId::accept(Some(&sent));
        prop_assert!(RequestId::parse(accepted.as_str().as_bytes()).is_some());
        prop_assert_eq!(accepted.as_str().as_bytes() == sent.as_slice(), harmless);
    }
}

#[test]
fn malformed_ids_are_rejected() {
    for text in [
        "",
        "0af7651916cd43dd8448eb211c80319",
        "0AF7651916CD43DD8448EB211C80319C",
        "+af7651916cd43dd8448eb211c80319c",
    ] {
        assert!(text.parse::<TraceId>().is_err(), "{text:?}");
    }
    let refusal = "xyz".parse::<SpanId>().unwrap_err().to_string();
    assert_eq!(refusal, "not a span id: give 16 lower-case hexadecimal digits");
}

#[test]
fn minted_ids_differ_and_sort_by_time() {
    let first = RequestId::mint();
    std::thread::sleep(std::time::Duration::from_millis(2));
    let second = RequestId::mint();
    assert!(first.as_str() < second.as_str(), "{first} then {second}");
    assert_eq!(uuid::Uuid::parse_str(first.as_str()).unwrap().get_version_num(), 7);
    assert_ne!(TraceId::random(), TraceId::random());
}

#[test]
fn random_numbers_differ_between_threads() {
    let other = std::thread::spawn(random_u64).join().unwrap();
    assert_ne!(random_u64(), other);
}

#[test]
fn entered_request_ids_nest() {
    let (outer, inner) = (RequestId::mint(), RequestId::mint());
    assert_eq!(current_request_id(), None);
    {
        let _outer = outer.enter();
        {
            let _inner = inner.enter();
            assert_eq!(current_request_id(), Some(inner.clone()));
        }
        assert_eq!(current_request_id(), Some(outer.clone()));
    }
    assert_eq!(current_request_id(), None);
}

#[test]
fn routes_past_limit_are_other_and_counted() {
    let known = Route::intern("/orders/{id}");
    assert_eq!(known.as_str(), "/orders/{id}");
    assert_eq!(known, Route::intern("/orders/{id}"));
    for number in 0..2_000 {
        Route::intern(&format!("/raw/{number}"));
    }
    assert_eq!(Route::intern("/one/too/many"), Route::OTHER);
    assert_eq!(Route::OTHER.as_str(), "<other>");
    assert_eq!(Route::UNMATCHED.as_str(), "<unmatched>");
    assert!(Route::refused() >= 977, "{}", Route::refused());
    assert_eq!(known.as_str(), "/orders/{id}");
}

#[test]
fn request_ids_of_each_length_keep_text_and_equality() {
    for length in [1, 35, 36, 37, 128] {
        let text = "a".repeat(length);
        let id = RequestId::parse(text.as_bytes()).unwrap();
        assert_eq!(id.as_str(), text);
        assert_eq!(id.as_bytes(), text.as_bytes());
        assert_eq!(id, RequestId::parse(text.as_bytes()).unwrap());
        assert_ne!(id, RequestId::parse(&text.as_bytes()[1..]).unwrap_or_else(RequestId::mint));
    }
    let minted = RequestId::mint();
    assert_eq!(Some(&minted), RequestId::parse(minted.as_str().as_bytes()).as_ref());
}
