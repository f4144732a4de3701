//! `/debug/sampler`: which traces are kept, changed at run time.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use obs_tracing::{Sampler, Traces};
use serde_json::{Value, json};

use super::answer;

/// `GET` tells the sampler in force; `PUT {"ratio": 0.1}` keeps that share of the traces that begin here,
/// and of the others those that their callers keep.
pub(super) fn answer(traces: &Traces, request: &Request<Bytes>) -> Response<Bytes> {
    match *request.method() {
        Method::GET => {}
        Method::PUT => match share(request.body()) {
            Some(share) => {
                traces.set_sampler(Sampler::parent_based(Sampler::ratio(share)));
                ::tracing::info!(sampler = %traces.sampler(), "sampler changed");
            }
            None => {
                let problem = r#"send {"ratio": 0.1}, a share from 0 to 1"#;
                return answer::json(StatusCode::BAD_REQUEST, &json!({"error": problem}));
            }
        },
        _ => return answer::get_and_put_only(),
    }
    answer::json(StatusCode::OK, &json!({"sampler": traces.sampler().to_string()}))
}

fn share(body: &[u8]) -> Option<f64> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["ratio"].as_f64().filter(|share| (0.0..=1.0).contains(share))
}
