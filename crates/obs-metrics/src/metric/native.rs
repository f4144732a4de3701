//! Native histograms: exponential buckets that need no configuration.

use std::collections::BTreeMap;

/// Buckets of one sign in one series. Past them the resolution is halved.
const MAX_BUCKETS: usize = 160;
/// The finest resolution: eight buckets to each doubling, nine percent wide.
const MAX_SCHEMA: i32 = 3;
/// The coarsest that Prometheus knows: a factor of 65,536.
const MIN_SCHEMA: i32 = -4;
/// Values up to this count as zero: 2^-128, as in the Go client.
pub(crate) const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Counts by exponential bucket. Bucket `i` ends at `2^(i / 2^schema)`.
#[derive(Debug)]
pub(crate) struct NativeBuckets {
    pub(crate) schema: i32,
    pub(crate) zero: u64,
    pub(crate) positive: BTreeMap<i32, u64>,
    pub(crate) negative: BTreeMap<i32, u64>,
    pub(crate) sum: f64,
}

impl NativeBuckets {
    pub(super) fn new() -> Self {
        Self {
            schema: MAX_SCHEMA,
            zero: 0,
            positive: BTreeMap::new(),
            negative: BTreeMap::new(),
            sum: 0.0,
        }
    }

    /// Counts a finite value.
    pub(super) fn observe(&mut self, value: f64) {
        self.sum += value;
        if value.abs() <= ZERO_THRESHOLD {
            self.zero += 1;
            return;
        }
        let bucket = (value.abs().log2() * f64::from(self.schema).exp2()).ceil() as i32;
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        *side.entry(bucket).or_default() += 1;
        while self.positive.len().max(self.negative.len()) > MAX_BUCKETS && self.schema > MIN_SCHEMA
        {
            self.schema -= 1;
            for side in [&mut self.positive, &mut self.negative] {
                let finer = std::mem::take(side);
                for (bucket, count) in finer {
                    // The buckets 2i - 1 and 2i become i.
                    *side.entry((bucket + 1).div_euclid(2)).or_default() += count;
                }
            }
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.zero + self.positive.values().sum::<u64>() + self.negative.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_on_native_bound_is_in_bucket_ending_at_bound() {
        let mut native = NativeBuckets::new();
        for value in [1.0, 2.0, 2.0_f64.powf(1.0 / 8.0) * 0.999_999, 0.0, -1.0, 1e-40] {
            native.observe(value);
        }
        assert_eq!(native.positive, BTreeMap::from([(0, 1), (1, 1), (8, 1)]));
        assert_eq!(native.negative, BTreeMap::from([(0, 1)]));
        assert_eq!((native.zero, native.count()), (2, 6));
    }

    #[test]
    fn native_buckets_past_limit_halve_resolution() {
        let mut native = NativeBuckets::new();
        for exponent in -300..300 {
            native.observe(10_f64.powi(exponent));
        }
        assert!(native.positive.len() <= MAX_BUCKETS && native.schema < MAX_SCHEMA);
        assert_eq!(native.count(), 600);
        let top = *native.positive.keys().last().unwrap();
        let bound = (f64::from(top) / f64::from(native.schema).exp2()).exp2();
        assert!(bound >= 1e299, "{bound}");
    }
}
