//! A ceiling on the spans that are exported: whole traces give way, errors do not.
//!
//! Two parts. A bucket holds the budget: a trace that begins draws from it what traces of late have cost, and when
//! its spans end, the difference. Where it is empty, traces are turned down as they come. The share of traces to
//! keep follows: it is lowered until the bucket turns hardly any down. It is applied to the trace id, so that services
//! which shed keep the same traces.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::TraceId;

use super::ratio::{RANDOMNESS_BITS, at_least, randomness_of};
use crate::propagate::PropagatedState;
use crate::record::Tail;

const SECOND: u64 = 1_000_000_000;

/// Budget that gathers, in time: one second's.
const BURST: u64 = SECOND;

/// What a trace may overdraw the budget by, when it turns out longer than the others.
const MAX_DEBT: u64 = 60 * SECOND;

/// How often the share of traces to keep is set.
const INTERVAL: u64 = SECOND;

/// Traces and spans by which the mean of a trace is known: older ones count less.
const REMEMBERED: u64 = 1_000;

/// A share never falls below one in a million, so that it can rise again.
const ALL: u64 = 1 << RANDOMNESS_BITS;
const LEAST: u64 = ALL / 1_000_000;

/// How much a service may export: a number of spans or of bytes, each second.
///
/// ```
/// use obs_tracing::{Builder, SpanBudget};
///
/// let builder = Builder::new("orders").span_budget(SpanBudget::spans_per_second(1_000));
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanBudget {
    pub(crate) unit: Unit,
    pub(crate) per_second: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Spans,
    Bytes,
}

impl SpanBudget {
    /// So many spans a second, at least one.
    pub fn spans_per_second(spans: u64) -> Self {
        Self { unit: Unit::Spans, per_second: spans.max(1) }
    }

    /// So many bytes of encoded spans a second, before compression; at least one.
    pub fn bytes_per_second(bytes: u64) -> Self {
        Self { unit: Unit::Bytes, per_second: bytes.max(1) }
    }
}

impl std::fmt::Display for SpanBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = if self.unit == Unit::Bytes { "bytes" } else { "spans" };
        write!(f, "{} {unit} a second", self.per_second)
    }
}

/// A budget, and what it does at this moment: told by [`Traces::budget`](crate::Traces::budget).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpanBudgetStatus {
    /// What was set.
    pub budget: SpanBudget,
    /// How much of one second's worth is spent: 0 while nothing is traced, 1 where traces are shed.
    pub fill: f64,
    /// The share of traces that is kept, of those that the sampler keeps.
    pub keep: f64,
    /// Traces that it has shed; those with errors were kept all the same.
    pub shed_traces: u64,
}

/// The budget of one pipeline.
#[derive(Debug)]
pub(crate) struct Ceiling {
    budget: SpanBudget,
    /// What decides upon the ends of traces that are shed, unless the pipeline has a tail rule.
    pub(crate) errors: Arc<Tail>,
    /// Traces of less randomness are shed.
    threshold: AtomicU64,
    spent_until: AtomicU64,
    /// Since the share was set last: when that was, and what the bucket decided.
    set_at: AtomicU64,
    admitted: AtomicU64,
    stopped: AtomicU64,
    /// Of late: spans that ended, the traces that they were of, and bytes of spans that were encoded.
    spans: AtomicU64,
    traces: AtomicU64,
    encoded: AtomicU64,
    bytes: AtomicU64,
    shed: AtomicU64,
}

impl Ceiling {
    pub(crate) fn new(budget: SpanBudget) -> Self {
        let zero = AtomicU64::default;
        Self {
            budget,
            errors: Arc::new(Tail::errors()),
            threshold: zero(),
            spent_until: zero(),
            set_at: zero(),
            admitted: zero(),
            stopped: zero(),
            spans: zero(),
            traces: zero(),
            encoded: zero(),
            bytes: zero(),
            shed: zero(),
        }
    }

    /// Whether a trace that the sampler keeps has room, at this moment of [`super::rate::now`].
    pub(crate) fn admit(
        &self,
        trace_id: TraceId,
        propagated: Option<&PropagatedState>,
        now: u64,
    ) -> bool {
        self.set_share(now);
        let is_kept = randomness_of(trace_id, propagated) >= self.threshold.load(Relaxed) && {
            let has_room = self.spent(now) <= BURST;
            let count = if has_room { &self.admitted } else { &self.stopped };
            count.fetch_add(1, Relaxed);
            has_room
        };
        match is_kept {
            true => self.draw(self.cost_of_trace() as i64, now),
            false => _ = self.shed.fetch_add(1, Relaxed),
        }
        is_kept
    }

    /// What a kept trace hands on: that others of its kind were not kept.
    pub(crate) fn propagated(
        &self,
        propagated: Option<Arc<PropagatedState>>,
    ) -> Option<Arc<PropagatedState>> {
        match self.threshold.load(Relaxed) {
            0 => propagated,
            threshold => Some(at_least(threshold, propagated)),
        }
    }

    /// Draws spans that ended: `traces` of them are the first ones of traces that were admitted, and these have drawn
    /// their mean already.
    pub(crate) fn ended(&self, spans: u64, traces: u64, now: u64) {
        let drawn = self.cost_of_trace().saturating_mul(traces);
        let cost = self.cost_of_span().saturating_mul(spans);
        self.draw(cost as i64 - drawn as i64, now);
        add_recent(&self.spans, spans, &self.traces, traces);
    }

    /// Learns how many bytes spans take.
    pub(crate) fn encoded(&self, spans: u64, bytes: u64) {
        add_recent(&self.bytes, bytes, &self.encoded, spans);
    }

    pub(crate) fn status(&self, now: u64) -> SpanBudgetStatus {
        SpanBudgetStatus {
            budget: self.budget,
            fill: self.spent(now) as f64 / BURST as f64,
            keep: 1.0 - self.threshold.load(Relaxed) as f64 / ALL as f64,
            shed_traces: self.shed.load(Relaxed),
        }
    }

    pub(crate) fn shed(&self) -> u64 {
        self.shed.load(Relaxed)
    }

    pub(crate) fn budget(&self) -> SpanBudget {
        self.budget
    }

    fn spent(&self, now: u64) -> u64 {
        self.spent_until.load(Relaxed).saturating_sub(now)
    }

    fn draw(&self, cost: i64, now: u64) {
        let spend = |until: u64| {
            let next = until.max(now).saturating_add_signed(cost);
            Some(next.clamp(now, now + MAX_DEBT))
        };
        let _ = self.spent_until.fetch_update(Relaxed, Relaxed, spend);
    }

    /// In nanoseconds' worth of the budget.
    fn cost_of_span(&self) -> u64 {
        let units = match self.budget.unit {
            Unit::Spans => 1,
            // Before the first request is encoded: what a span of a request takes.
            Unit::Bytes => mean(&self.bytes, &self.encoded).unwrap_or(250),
        };
        (units.saturating_mul(SECOND) / self.budget.per_second).clamp(1, MAX_DEBT)
    }

    fn cost_of_trace(&self) -> u64 {
        let spans = mean(&self.spans, &self.traces).unwrap_or(1);
        self.cost_of_span().saturating_mul(spans).min(MAX_DEBT)
    }

    /// Once in a while: lowers the share where the bucket turned traces down, raises it where there is room.
    fn set_share(&self, now: u64) {
        let set_at = self.set_at.load(Relaxed);
        let is_due = now >= set_at.saturating_add(INTERVAL);
        if !is_due || self.set_at.compare_exchange(set_at, now, Relaxed, Relaxed).is_err() {
            return;
        }
        let (admitted, stopped) = (self.admitted.swap(0, Relaxed), self.stopped.swap(0, Relaxed));
        let kept = ALL - self.threshold.load(Relaxed);
        let share = match stopped {
            0 if self.spent(now) < BURST / 4 => kept.saturating_add(kept / 2),
            0 => kept,
            _ => {
                let (kept, admitted) = (u128::from(kept), u128::from(admitted) + 1);
                (kept * admitted / (admitted + u128::from(stopped))) as u64
            }
        };
        self.threshold.store(ALL - share.clamp(LEAST, ALL), Relaxed);
    }
}

/// Adds to a sum and to what it is divided by; where they have grown large, half of both is forgotten.
fn add_recent(sum: &AtomicU64, more: u64, count: &AtomicU64, one: u64) {
    sum.fetch_add(more, Relaxed);
    if count.fetch_add(one, Relaxed) + one >= REMEMBERED {
        let halve = |value: u64| Some(value / 2);
        let _ = sum.fetch_update(Relaxed, Relaxed, halve);
        let _ = count.fetch_update(Relaxed, Relaxed, halve);
    }
}

/// Rounded up; `None` of nothing.
fn mean(sum: &AtomicU64, count: &AtomicU64) -> Option<u64> {
    match count.load(Relaxed) {
        0 => None,
        count => Some(sum.load(Relaxed).div_ceil(count).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The randomness of this one is above every share.
    const LAST_TO_GO: TraceId = TraceId::new(u128::MAX);

    /// Seconds of so many traces, of so many spans each, on a clock of its own: spans exported in each second.
    fn run(ceiling: &Ceiling, begin: u64, seconds: u64, traces: u64, spans: u64) -> Vec<u64> {
        let mut exported = vec![0; seconds as usize];
        for second in 0..seconds {
            for trace in 0..traces {
                let now = (begin + second) * SECOND + trace * SECOND / traces;
                if ceiling.admit(TraceId::random(), None, now) {
                    exported[second as usize] += spans;
                    ceiling.ended(spans, 1, now);
                }
            }
        }
        exported
    }

    #[test]
    fn load_within_budget_keeps_every_trace() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(1_000));
        assert_eq!(run(&ceiling, 1, 10, 90, 10), [900; 10]);
        assert_eq!(ceiling.shed(), 0);
        assert_eq!(ceiling.status(0).keep, 1.0);
    }

    #[test]
    fn load_of_ten_budgets_exports_one_budget() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(1_000));
        let exported = run(&ceiling, 1, 20, 1_000, 10);
        let all: u64 = exported.iter().sum();
        assert!(all <= 21_000 + 10, "20 seconds and what had gathered: {exported:?}");
        assert!(all >= 15_000, "the budget is used: {exported:?}");
        let status = ceiling.status(20 * SECOND);
        assert!(status.keep < 0.2 && status.shed_traces > 17_000, "{status:?}");
    }

    #[test]
    fn share_returns_when_load_is_gone() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(1_000));
        run(&ceiling, 1, 10, 10_000, 1);
        let exported = run(&ceiling, 11, 30, 100, 1);
        assert_eq!(exported[20..], [100; 10], "{exported:?}");
    }

    #[test]
    fn trace_longer_than_expected_delays_next_admission() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(1_000));
        let admit = |at| ceiling.admit(LAST_TO_GO, None, at * SECOND);
        assert!(admit(1));
        ceiling.ended(10_000, 1, SECOND);
        assert!(!admit(2) && !admit(9));
        assert!(admit(12));
    }

    #[test]
    fn spans_of_errors_are_charged_to_common_budget() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(1_000));
        ceiling.ended(2_500, 0, SECOND);
        let admit = |at| ceiling.admit(LAST_TO_GO, None, at);
        assert!(!admit(2 * SECOND));
        assert!(admit(3 * SECOND));
    }

    #[test]
    fn byte_budget_uses_measured_span_size() {
        let ceiling = Ceiling::new(SpanBudget::bytes_per_second(100_000));
        ceiling.encoded(100, 50_000);
        let spans: u64 = run(&ceiling, 1, 10, 1_000, 1).iter().sum();
        assert!((1_500..=2_210).contains(&spans), "500 bytes each: {spans} spans");
    }

    #[test]
    fn kept_trace_propagates_share() {
        let ceiling = Ceiling::new(SpanBudget::spans_per_second(10));
        assert!(ceiling.propagated(None).is_none());
        run(&ceiling, 1, 5, 1_000, 1);
        let propagated = ceiling.propagated(None).unwrap();
        assert!(propagated.state.starts_with("ot=th:f"), "{}", propagated.state);
    }
}
