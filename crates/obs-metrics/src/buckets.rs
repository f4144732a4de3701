//! The upper bounds of a histogram's buckets.

use std::sync::Arc;

use crate::error::Error;
use crate::expose::le;

/// Bounds a histogram.
const MAX_BOUNDS: usize = 500;

/// The upper bounds of a histogram's buckets, in the unit of what is observed; the bucket without a
/// bound (`+Inf`) is always there and not given.
///
/// Whether they make sense is checked when the histogram is registered: finite, strictly growing, at
/// least one, at most 500.
///
/// ```
/// use obs_metrics::Buckets;
///
/// let default = Buckets::default();                    // 5 ms to 10 s, as in Python and Go
/// let around = Buckets::around(0.3);                   // the objective of 300 ms lies on an edge
/// assert!(around.bounds().contains(&0.3));
/// let sizes = Buckets::exponential(1024.0, 4.0, 8);    // 1 KiB, 4 KiB, ... 16 MiB
/// assert_eq!(sizes.bounds().len(), 8);
/// let own = Buckets::new([0.1, 0.5, 2.0]);
/// # let _ = (default, own);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    bounds: Vec<f64>,
    native: bool,
}

impl Buckets {
    /// These bounds.
    pub fn new(bounds: impl Into<Vec<f64>>) -> Self {
        Self { bounds: bounds.into(), native: false }
    }

    /// Bounds that lie densely around a service-level objective, with the objective itself among them:
    /// the share of observations within the objective is then exact, not interpolated.
    ///
    /// From a tenth of the objective to ten times it.
    pub fn around(objective: f64) -> Self {
        const STEPS: [f64; 12] = [0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.5, 5.0, 10.0];
        // The objective is what the user queries by: it stays as it was written.
        let bound = |step| if step == 1.0 { objective } else { round(step * objective) };
        Self::new(STEPS.map(bound))
    }

    /// `count` bounds from `start`, each `width` above the last.
    pub fn linear(start: f64, width: f64, count: usize) -> Self {
        Self::computed(count, |at| start + width * at as f64)
    }

    /// `count` bounds from `start`, each `factor` times the last.
    pub fn exponential(start: f64, factor: f64, count: usize) -> Self {
        Self::computed(count, |at| start * factor.powi(at.try_into().unwrap_or(i32::MAX)))
    }

    /// One bound more than is allowed is enough to be refused, whatever `count` says.
    fn computed(count: usize, bound: impl Fn(usize) -> f64) -> Self {
        let count = count.min(MAX_BOUNDS + 1);
        Self::new((0..count).map(|at| round(bound(at))).collect::<Vec<_>>())
    }

    /// A native (exponential) histogram beside these classic buckets: any quantile within five percent,
    /// where Prometheus scrapes protobuf (`--enable-feature=native-histograms`). The text formats show
    /// the classic buckets.
    ///
    /// At most 160 buckets of nine percent or, where that is too few, coarser ones. An observation then
    /// takes a lock of its series, for some 40 ns in all.
    ///
    /// ```
    /// use obs_metrics::Buckets;
    ///
    /// let buckets = Buckets::around(0.3).with_native();
    /// # let _ = buckets;
    /// ```
    pub fn with_native(mut self) -> Self {
        self.native = true;
        self
    }

    /// The bounds, without `+Inf`.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// What two registrations must have in common.
    pub(crate) fn settings(&self) -> String {
        let native = if self.native { ", and native ones" } else { "" };
        format!("buckets {:?}{native}", self.bounds)
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let fail = |why: String| Err(Error::invalid(format!("the buckets of `{name}`: {why}")));
        if self.bounds.is_empty() || self.bounds.len() > MAX_BOUNDS {
            let given = self.bounds.len();
            return fail(format!("{given} bounds are given: give 1 to {MAX_BOUNDS}"));
        }
        if let Some(bound) = self.bounds.iter().find(|bound| !bound.is_finite()) {
            return fail(format!("{bound} is not finite: leave it out, `+Inf` is always there"));
        }
        match self.bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => fail(format!(
                "{} comes before {}: give each bound once, in growing order",
                pair[0], pair[1]
            )),
            None => Ok(()),
        }
    }
}

impl Default for Buckets {
    /// Request latencies in seconds, 5 ms to 10 s: the default of the Go client.
    fn default() -> Self {
        Self::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
    }
}

/// The same number without the dust of binary arithmetic, so that 0.75 times 0.3 is `le="0.225"` and can
/// be queried: 12 significant digits.
fn round(bound: f64) -> f64 {
    format!("{bound:.11e}").parse().unwrap_or(bound)
}

/// Checked bounds and the text of each, shared by the series of a family.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) bounds: Box<[f64]>,
    /// `le="0.005"} ` and so on, `+Inf` last.
    pub(crate) le: Box<[Box<str>]>,
    pub(crate) native: bool,
}

impl Bounds {
    pub(crate) fn new(buckets: Buckets) -> Arc<Self> {
        let Buckets { bounds, native } = buckets;
        let bounds = bounds.into_boxed_slice();
        let le = bounds.iter().copied().chain([f64::INFINITY]).map(le).collect();
        Arc::new(Self { bounds, le, native })
    }

    /// The bucket of a finite value.
    #[inline]
    pub(crate) fn bucket(&self, value: f64) -> usize {
        if self.bounds.len() <= 24 {
            // No branch to mispredict.
            self.bounds.iter().map(|bound| usize::from(value > *bound)).sum()
        } else {
            self.bounds.partition_point(|bound| value > *bound)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_bounds_are_rounded_to_twelve_digits() {
        let texts = |buckets: &Buckets| -> Vec<String> {
            buckets.bounds().iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            texts(&Buckets::around(0.3)),
            [
                "0.03", "0.075", "0.15", "0.225", "0.27", "0.3", "0.33", "0.375", "0.45", "0.75",
                "1.5", "3"
            ]
        );
        assert_eq!(texts(&Buckets::linear(0.1, 0.1, 4)), ["0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(texts(&Buckets::exponential(0.001, 10.0, 4)), ["0.001", "0.01", "0.1", "1"]);
        for objective in (1..2000).map(|n| f64::from(n) / 1000.0) {
            assert!(Buckets::around(objective).bounds().contains(&objective));
            assert!(texts(&Buckets::around(objective)).iter().all(|text| text.len() <= 10));
        }
    }

    #[test]
    fn computed_bounds_without_growth_are_rejected() {
        for buckets in [
            Buckets::linear(0.0, 1.0, usize::MAX),
            Buckets::linear(f64::MAX, f64::MAX, 3),
            Buckets::exponential(1.0, f64::NAN, 3),
            Buckets::around(f64::INFINITY),
            Buckets::around(0.0),
            Buckets::around(-1.0),
        ] {
            assert!(buckets.check("a_seconds").is_err(), "{buckets:?}");
        }
    }

    #[test]
    fn value_on_bound_counts_in_bucket_below() {
        for count in [3, 100] {
            let bounds = Bounds::new(Buckets::linear(1.0, 1.0, count));
            assert_eq!(bounds.bucket(-5.0), 0);
            assert_eq!(bounds.bucket(1.0), 0);
            assert_eq!(bounds.bucket(1.000_001), 1);
            assert_eq!(bounds.bucket(1e9), count);
        }
    }
}
