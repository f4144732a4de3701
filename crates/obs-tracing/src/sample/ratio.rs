//! A share of all traces, consistent over all services.

use std::sync::Arc;

use obs_context::TraceId;

use super::decision::Decision;
use crate::propagate::{Baggage, PropagatedState, state_value, state_with};

pub(super) const RANDOMNESS_BITS: u32 = 56;

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
        let digits = digits(threshold);
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
        let random = randomness_of(trace_id, propagated.as_deref());
        if random < self.threshold {
            return Decision { sampled: false, propagated };
        }
        let propagated = match &propagated {
            None => Arc::clone(&self.propagated),
            Some(propagated) => with_threshold(propagated, &self.digits),
        };
        Decision { sampled: true, propagated: Some(propagated) }
    }
}

/// The randomness of a trace: what it carries, or that of its id.
pub(super) fn randomness_of(trace_id: TraceId, propagated: Option<&PropagatedState>) -> u64 {
    let entry = propagated.and_then(|propagated| state_value(&propagated.state, "ot"));
    let of_id = trace_id.get() as u64 & ((1 << RANDOMNESS_BITS) - 1);
    entry.and_then(randomness).unwrap_or(of_id)
}

/// Propagates this threshold, unless a higher one is propagated already.
pub(super) fn at_least(
    threshold: u64,
    propagated: Option<Arc<PropagatedState>>,
) -> Arc<PropagatedState> {
    let Some(propagated) = propagated else {
        let state = format!("ot=th:{}", digits(threshold));
        return Arc::new(PropagatedState { state, baggage: Baggage::new() });
    };
    let entry = state_value(&propagated.state, "ot");
    let former = entry.and_then(|entry| entry.split(';').find_map(|part| part.strip_prefix("th:")));
    let former = former.filter(|digits| (1..=14).contains(&digits.len()));
    let former = former.and_then(|digits| u64::from_str_radix(&format!("{digits:0<14}"), 16).ok());
    match former {
        Some(former) if former >= threshold => propagated,
        _ => with_threshold(&propagated, &digits(threshold)),
    }
}

fn with_threshold(propagated: &PropagatedState, digits: &str) -> Arc<PropagatedState> {
    let former = state_value(&propagated.state, "ot");
    Arc::new(PropagatedState {
        state: state_with(&propagated.state, "ot", &entry(former, digits)),
        baggage: propagated.baggage.clone(),
    })
}

/// Our threshold in place of the one that came in; the other parts stay.
fn entry(former: Option<&str>, digits: &str) -> String {
    let others = former.unwrap_or_default().split(';');
    let others = others.filter(|part| !part.is_empty() && !part.starts_with("th:"));
    others.fold(format!("th:{digits}"), |entry, part| entry + ";" + part)
}

/// A threshold as `tracestate` has it, without trailing zeros.
fn digits(threshold: u64) -> String {
    let hex = format!("{threshold:014x}");
    match hex.trim_end_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

/// The `rv` of an `ot` entry: exactly 14 digits.
fn randomness(entry: &str) -> Option<u64> {
    let digits = entry.split(';').find_map(|part| part.strip_prefix("rv:"))?;
    let exact = digits.len() == 14 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if exact { u64::from_str_radix(digits, 16).ok() } else { None }
}
