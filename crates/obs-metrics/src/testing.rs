//! Asking a registry what it would show: for tests.

use crate::Registry;
use crate::family::parse_block;

/// The number of one sample as the text format shows it, or `None` where there is no such series.
///
/// The name is the series' own, so `wait_seconds_count` for a histogram's count; the labels may come in
/// any order. It writes and reads a whole scrape: for tests only.
///
/// ```
/// use obs_metrics::{Registry, testing::sample};
///
/// let registry = Registry::new();
/// let orders = registry.counter_vec("orders_total", "Orders.", ["status", "method"])?;
/// orders.with(["created", "card"]).inc();
/// let labels = [("method", "card"), ("status", "created")];
/// assert_eq!(sample(&registry, "orders_total", &labels), Some(1.0));
/// assert_eq!(sample(&registry, "orders_total", &[]), None);
/// # Ok::<(), obs_metrics::Error>(())
/// ```
pub fn sample(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut wanted: Vec<_> =
        labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    wanted.sort();
    registry.encode_text().lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (block, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let mut pairs = parse_block(block);
        pairs.sort();
        (pairs == wanted).then(|| value.parse().ok()).flatten()
    })
}
