//! `/debug/sampler`: the sampler, changed at run time.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use obs_tracing::{Sampler, Tail, Traces};
use serde_json::{Value, json};

use super::answer;

/// `GET` tells the sampler in force and the rules of tail mode. `PUT` changes what it names:
///
/// - `{"ratio": 0.1}` keeps that share of the traces that begin here, and of the others those that their
///   callers keep;
/// - `{"sampler": "parent_based(budget(5))"}` any sampler, as `GET` writes it;
/// - `{"tail": {"errors": true, "slower_than_ms": 500, "attributes": {"tier": "gold"}, "memory": 33554432}}`
///   keeps, of the rest, what turns out like that; `{"tail": null}` ends it.
pub(super) fn answer(traces: &Traces, request: &Request<Bytes>) -> Response<Bytes> {
    match *request.method() {
        Method::GET => {}
        Method::PUT => match Change::read(request.body()) {
            Ok(change) => change.make(traces),
            Err(problem) => {
                return answer::json(StatusCode::BAD_REQUEST, &json!({"error": problem}));
            }
        },
        _ => return answer::get_and_put_only(),
    }
    let tail = traces.tail().map(|tail| tail.to_string());
    let sampler = traces.sampler().to_string();
    answer::json(StatusCode::OK, &json!({"sampler": sampler, "tail": tail}))
}

struct Change {
    sampler: Option<Sampler>,
    tail: Option<Option<Tail>>,
}

impl Change {
    fn read(body: &[u8]) -> Result<Self, String> {
        const REMEDY: &str = r#"send {"ratio": 0.1}, a share from 0 to 1; {"sampler": "..."}; or {"tail": {"errors": true, "slower_than_ms": 500}}"#;
        let body: Value = serde_json::from_slice(body).map_err(|_| REMEDY.to_owned())?;
        let ratio = match body.get("ratio") {
            None => None,
            Some(ratio) => {
                let share = ratio.as_f64().filter(|share| (0.0..=1.0).contains(share));
                Some(Sampler::parent_based(Sampler::ratio(share.ok_or(REMEDY)?)))
            }
        };
        let sampler = match body.get("sampler") {
            None => ratio,
            Some(text) => {
                let text = text.as_str().ok_or(REMEDY)?;
                Some(text.parse::<Sampler>().map_err(|error| error.to_string())?)
            }
        };
        let tail = match body.get("tail") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(rules) => Some(Some(tail(rules).ok_or(REMEDY)?)),
        };
        if sampler.is_none() && tail.is_none() {
            Err(REMEDY.to_owned())
        } else {
            Ok(Self { sampler, tail })
        }
    }

    fn make(self, traces: &Traces) {
        if let Some(sampler) = self.sampler {
            traces.set_sampler(sampler);
        }
        if let Some(tail) = self.tail {
            traces.set_tail(tail);
        }
        ::tracing::info!(sampler = %traces.sampler(), tail = ?traces.tail(), "sampler changed");
    }
}

fn tail(rules: &Value) -> Option<Tail> {
    let mut tail = Tail::nothing();
    for (name, value) in rules.as_object()? {
        tail = match name.as_str() {
            "errors" if value.as_bool()? => tail.and_errors(),
            "errors" => tail,
            "slower_than_ms" => tail.slower_than(Duration::from_millis(value.as_u64()?)),
            "memory" => tail.memory(value.as_u64()?),
            "attributes" => value.as_object()?.iter().try_fold(tail, |tail, (key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Some(tail.attribute(key, text))
            })?,
            _ => return None,
        };
    }
    Some(tail)
}
