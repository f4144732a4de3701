//! A share of all traces, consistent over all services.

use std::sync::Arc;

use obs_context::TraceId;

use super::decision::Decision;
use crate::propagate::{Baggage, PropagatedState, state_value, state_with};

const RANDOMNESS_BITS: u32 = 56;

/// OpenTelemetry's rule: keep when the randomness reaches the threshold.
pub(super) struct Ratio {
    share: f64,
    threshold: u64,
    /// The threshold as `tracestate` has it, without trailing zeros.
    digits: String,
    /// What a root that is kept carries, ready made.
    propagated: Arc<PropagatedState>,
}

impl Ratio {
    pub(super) fn new(share: f64) -> Self {
        let share = if share > 0.0 { share } else { 0.0 }; // not a number counts as 0
        let threshold = ((1.0 - share) * (1_u64 << RANDOMNESS_BITS) as f64) as u64;
        let hex = format!("{threshold:014x}");
        let digits = match hex.trim_end_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        let propagated =
            PropagatedState { state: format!("ot=th:{digits}"), baggage: Baggage::new() };
        Self { share, threshold, digits, propagated: Arc::new(propagated) }
    }

    pub(super) fn share(&self) -> f64 {
        self.share
    }

    pub(super) fn decide(
        &self,
        trace_id: TraceId,
        propagated: Option<Arc<PropagatedState>>,
    ) -> Decision {
        let entry = propagated.as_ref().and_then(|propagated| state_value(&propagated.state, "ot"));
        let explicit = entry.and_then(randomness);
        let random = explicit.unwrap_or(trace_id.get() as u64 & ((1 << RANDOMNESS_BITS) - 1));
        if random < self.threshold {
            return Decision { sampled: false, propagated };
        }
        let propagated = match &propagated {
            None => Arc::clone(&self.propagated),
            Some(propagated) => Arc::new(PropagatedState {
                state: state_with(&propagated.state, "ot", &self.entry(entry)),
                baggage: propagated.baggage.clone(),
            }),
        };
        Decision { sampled: true, propagated: Some(propagated) }
    }

    /// Our threshold in place of the one that came in; the other parts stay.
    fn entry(&self, former: Option<&str>) -> String {
        let others = former.unwrap_or_default().split(';');
        let others = others.filter(|part| !part.is_empty() && !part.starts_with("th:"));
        others.fold(format!("th:{}", self.digits), |entry, part| entry + ";" + part)
    }
}

/// The `rv` of an `ot` entry: exactly 14 digits.
fn randomness(entry: &str) -> Option<u64> {
    let digits = entry.split(';').find_map(|part| part.strip_prefix("rv:"))?;
    let exact = digits.len() == 14 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if exact { u64::from_str_radix(digits, 16).ok() } else { None }
}
