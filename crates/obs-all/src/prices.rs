//! The prices of stored telemetry, set by the deployer.

/// Minutes of a month of thirty days.
const MINUTES: f64 = 30.0 * 24.0 * 60.0;
const GIGABYTE: f64 = 1e9;

/// Prices in any currency. What has none is not in the estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Prices {
    /// For a gigabyte of lines.
    pub(crate) logs_gb: Option<f64>,
    /// For a gigabyte of spans.
    pub(crate) spans_gb: Option<f64>,
    /// For a series a month.
    pub(crate) series: Option<f64>,
    /// As many instances as this one.
    pub(crate) instances: Option<u32>,
}

impl Prices {
    pub(crate) fn are_set(&self) -> bool {
        self.logs_gb.is_some() || self.spans_gb.is_some() || self.series.is_some()
    }

    pub(crate) fn instances(&self) -> u32 {
        self.instances.unwrap_or(1)
    }

    /// For lines of all instances in a month.
    pub(crate) fn logs(&self, bytes_per_minute: f64) -> Option<f64> {
        Some(self.logs_gb? * self.gigabytes(bytes_per_minute))
    }

    /// For spans of all instances in a month.
    pub(crate) fn spans(&self, bytes_per_minute: f64) -> Option<f64> {
        Some(self.spans_gb? * self.gigabytes(bytes_per_minute))
    }

    /// For so many series of all instances in a month.
    pub(crate) fn series(&self, count: f64) -> Option<f64> {
        Some(self.series? * count * f64::from(self.instances()))
    }

    fn gigabytes(&self, bytes_per_minute: f64) -> f64 {
        bytes_per_minute * MINUTES / GIGABYTE * f64::from(self.instances())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_covers_month_of_all_instances() {
        let prices = Prices {
            logs_gb: Some(0.5),
            series: Some(0.01),
            instances: Some(10),
            ..Prices::default()
        };
        // A megabyte a minute is 43.2 GB a month.
        assert_eq!(prices.logs(1e6), Some(0.5 * 43.2 * 10.0));
        assert_eq!(prices.series(200.0), Some(20.0));
        assert_eq!(prices.spans(1e6), None);
        assert!(!Prices::default().are_set());
    }
}
