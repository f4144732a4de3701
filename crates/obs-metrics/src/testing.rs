//! Reads a registry in tests.

use crate::descriptor::Descriptor;
use crate::expose::Format;
use crate::family::parse_block;
use crate::registry::Registry;

/// Compares the families of these names with the text that is expected of them, in the text format
/// 0.0.4, line by line; lines may be indented, and empty ones do not count. The error shows both.
///
/// ```
/// use obs_metrics::{Registry, testing::expect};
///
/// let registry = Registry::new();
/// registry.counter("orders_total", "Orders.")?.inc();
/// let wanted = "
///     ## HELP orders_total Orders.
///     ## TYPE orders_total counter
///     orders_total 1
/// ";
/// assert_eq!(expect(&registry, &["orders_total"], wanted), Ok(()));
/// assert!(expect(&registry, &["orders_total"], "").is_err());
/// # Ok::<(), obs_metrics::Error>(())
/// ```
///
/// # Errors
///
/// Where the texts differ.
pub fn expect(registry: &Registry, families: &[&str], wanted: &str) -> Result<(), String> {
    let mut shown = Vec::new();
    let is_wanted = |family: &Descriptor| families.contains(&&*family.name);
    registry.encode_into(&mut shown, Format::Classic, &is_wanted);
    let shown = String::from_utf8_lossy(&shown);
    let wanted: Vec<_> = wanted.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines: Vec<_> = shown.lines().collect();
    if lines == wanted {
        return Ok(());
    }
    Err(format!("the registry shows\n{}\nbut this was expected:\n{}", shown, wanted.join("\n")))
}

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
    sample_in(&registry.encode_text(), name, labels)
}

/// As [`sample`], of what a registry showed before: the text that [`Registry::encode_text`] answered.
pub fn sample_in(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut wanted: Vec<_> =
        labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    wanted.sort();
    text.lines().find_map(|line| {
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
