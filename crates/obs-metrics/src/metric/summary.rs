//! Summaries: quantiles estimated in the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::metric_type::{RECORDS, Sealed};
use crate::descriptor::Descriptor;
use crate::expose::{Expose, Number, quantile_label};
use crate::family::Series;
use crate::kind::Kind;

/// The relative error of a quantile.
const RELATIVE_ERROR: f64 = 0.01;
/// Quantiles are over a window of this many slots.
const WINDOW_SLOTS: usize = 5;
const SLOT_INTERVAL: Duration = Duration::from_secs(120);
/// Bins a slot: at this error, enough for values from one magnitude to 10^17 times that.
const MAX_BINS: usize = 2048;

/// Quantiles over the last ten minutes, with the sum and count of all values: for what is never
/// added up over instances. Prefer a [`crate::Histogram`], whose quantiles can be.
///
/// A quantile is within one percent of the true one (DDSketch, VLDB 2019); memory is bounded to 10,240
/// bins a series. An observation takes a lock of its series, for some 90 ns in all.
///
/// ```
/// let registry = obs_metrics::Registry::new();
/// let sizes = registry.summary("batch_size", "Rows a batch.", &[0.5, 0.99])?;
/// for size in 1..=100 {
///     sizes.observe(f64::from(size));
/// }
/// assert!((sizes.quantile(0.5).unwrap() - 50.0).abs() < 1.0);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Summary(Arc<Series<SummaryCore>>);

impl Summary {
    /// Counts one value. One that is not finite is left out, and counted in
    /// `obs_metrics_observations_rejected_total`.
    pub fn observe(&self, value: f64) {
        if !RECORDS {
            return;
        }
        if !value.is_finite() {
            super::histogram::reject();
            return;
        }
        self.0.core().state().observe(value, Instant::now());
    }

    /// Counts a duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// The value that this share of the last ten minutes' values do not exceed; `None` where there
    /// were none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.0.core().state().window(Instant::now()).quantile(share)
    }
}

#[derive(Debug)]
pub(crate) struct SummaryCore {
    quantiles: Arc<[f64]>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sum: f64,
    count: u64,
    slots: [Sketch; WINDOW_SLOTS],
    /// The slot that is written, and since when.
    current: usize,
    since: Instant,
}

impl SummaryCore {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn observe(&mut self, value: f64, now: Instant) {
        self.rotate(now);
        self.sum += value;
        self.count += 1;
        if let Some(slot) = self.slots.get_mut(self.current) {
            slot.add(value);
        }
    }

    /// Empties the slots whose time has passed.
    fn rotate(&mut self, now: Instant) {
        let mut rotations = 0;
        while now.saturating_duration_since(self.since) >= SLOT_INTERVAL && rotations < WINDOW_SLOTS
        {
            self.current = (self.current + 1) % WINDOW_SLOTS;
            self.slots[self.current] = Sketch::default();
            self.since += SLOT_INTERVAL;
            rotations += 1;
        }
        if rotations == WINDOW_SLOTS {
            self.since = now;
        }
    }

    /// The values of all slots.
    fn window(&mut self, now: Instant) -> Sketch {
        self.rotate(now);
        let mut all = Sketch::default();
        for slot in &self.slots {
            all.merge(slot);
        }
        all
    }
}

/// Counts by magnitude: bin `i` holds what lies between `growth^(i-1)` and `growth^i`.
#[derive(Debug, Default)]
struct Sketch {
    /// By sign and bin, from the lowest value to the highest.
    bins: BTreeMap<(i8, i32), u64>,
    count: u64,
}

impl Sketch {
    fn add(&mut self, value: f64) {
        let magnitude = (value.abs().ln() / growth().ln()).ceil();
        let bin = match value.total_cmp(&0.0) {
            // What is nearer to zero than any measurement is zero.
            _ if value.abs() < 1e-12 => (0, 0),
            std::cmp::Ordering::Less => (-1, -(magnitude as i32)),
            _ => (1, magnitude as i32),
        };
        self.count += 1;
        *self.bins.entry(bin).or_default() += 1;
        if self.bins.len() > MAX_BINS {
            // The two lowest become one: high quantiles are what is asked for.
            if let (Some((_, lowest)), Some(mut next)) =
                (self.bins.pop_first(), self.bins.first_entry())
            {
                *next.get_mut() += lowest;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (bin, count) in &other.bins {
            *self.bins.entry(*bin).or_default() += count;
        }
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.count.checked_sub(1)?;
        let rank = (share.clamp(0.0, 1.0) * last as f64) as u64;
        let mut seen = 0;
        let found = self.bins.iter().find(|(_, count)| {
            seen += **count;
            seen > rank
        });
        found.map(|((sign, bin), _)| {
            let magnitude = if *sign < 0 { -bin } else { *bin };
            f64::from(*sign) * 2.0 * growth().powi(magnitude) / (growth() + 1.0)
        })
    }
}

const fn growth() -> f64 {
    (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
}

impl Sealed for Summary {
    type Core = SummaryCore;
    type Settings = Arc<[f64]>;

    const KIND: Kind = Kind::Summary;

    fn core(quantiles: &Arc<[f64]>) -> SummaryCore {
        let state = State {
            sum: 0.0,
            count: 0,
            slots: std::array::from_fn(|_| Sketch::default()),
            current: 0,
            since: Instant::now(),
        };
        SummaryCore { quantiles: quantiles.clone(), state: Mutex::new(state) }
    }

    fn from_series(series: Arc<Series<SummaryCore>>) -> Self {
        Self(series)
    }

    fn fingerprint(core: &SummaryCore) -> u64 {
        core.state().count
    }

    fn expose(core: &SummaryCore, labels: &str, family: &Descriptor, out: &mut dyn Expose) {
        let (sum, count, window) = {
            let mut state = core.state();
            (state.sum, state.count, state.window(Instant::now()))
        };
        for share in core.quantiles.iter() {
            let value = window.quantile(*share).unwrap_or(f64::NAN);
            out.sample(family, "", &quantile_label(labels, *share), Number::Float(value), None);
        }
        out.sample(family, "_sum", labels, Number::Float(sum), None);
        out.sample(family, "_count", labels, Number::Integer(count), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_summary_are_within_one_percent() {
        let mut sketch = Sketch::default();
        let mut values: Vec<f64> = (0..10_000).map(|n| f64::from(n) * 0.37 - 900.0).collect();
        values.iter().for_each(|value| sketch.add(*value));
        values.sort_by(f64::total_cmp);
        for share in [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0] {
            let truth = values[(share * 9_999.0) as usize];
            let estimate = sketch.quantile(share).unwrap();
            assert!(
                (estimate - truth).abs() <= truth.abs() * 0.0101,
                "{share}: {estimate} for {truth}"
            );
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn bins_of_values_of_all_magnitudes_stay_within_limit() {
        let mut sketch = Sketch::default();
        for exponent in -300..300 {
            for step in 0..10 {
                sketch.add(10_f64.powi(exponent) * (1.0 + f64::from(step)));
            }
        }
        assert_eq!(sketch.bins.len(), MAX_BINS);
        assert_eq!(sketch.bins.values().sum::<u64>(), 6_000);
    }

    #[test]
    fn values_older_than_window_leave_quantiles_but_not_count() {
        let settings: Arc<[f64]> = [0.5].into();
        let core = Summary::core(&settings);
        let mut state = core.state();
        let start = state.since;
        state.observe(1.0, start);
        assert!(state.window(start + SLOT_INTERVAL * 4).quantile(0.5).is_some());
        assert_eq!(state.window(start + SLOT_INTERVAL * 5).quantile(0.5), None);
        state.observe(2.0, start + SLOT_INTERVAL * 1000);
        assert!(state.window(start + SLOT_INTERVAL * 1000).quantile(0.5).is_some());
        assert_eq!(state.count, 2);
    }
}
