//! Builds a registry.

use crate::common::Common;
use crate::error::Error;
use crate::family::push_label;
use crate::registry::Registry;
use crate::{global, names};

/// Makes a [`Registry`] whose metrics have something in common: made by [`Registry::builder`].
///
/// ```
/// use obs_metrics::Registry;
///
/// let registry = Registry::builder().prefix("shop").label("region", "eu").build()?;
/// registry.counter("orders_total", "Orders.")?.inc();
/// assert!(registry.encode_text().contains("shop_orders_total{region=\"eu\"} 1\n"));
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "no registry is made before `build` or `install`"]
pub struct Builder {
    prefix: String,
    labels: Vec<(String, String)>,
    shows_created: bool,
    series_budget: Option<usize>,
}

impl Registry {
    /// A registry whose metrics have a prefix or labels in common.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Puts this and a `_` before the name of every metric that is registered. What is mounted keeps
    /// its names.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Shows this label with every series, also those of mounted sources and registries, unless they
    /// have it themselves.
    ///
    /// What says where the process runs is best left to Prometheus, which adds `instance` and `job`.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Shows when each counter, histogram and summary began: `_created` in OpenMetrics, the created
    /// timestamp in protobuf. Prometheus reads it with `--enable-feature=created-timestamp-zero-ingestion`;
    /// in OpenMetrics it costs a line a series, so it is off unless asked for.
    pub fn created_timestamps(mut self) -> Self {
        self.shows_created = true;
        self
    }

    /// How many series all metrics together may have: see [`Registry::set_series_budget`].
    pub fn series_budget(mut self, most: usize) -> Self {
        self.series_budget = Some(most);
        self
    }

    /// The registry.
    ///
    /// # Errors
    ///
    /// When the prefix or a label breaks a rule.
    pub fn build(self) -> Result<Registry, Error> {
        let budget = self.series_budget;
        let registry = Registry::with_common(self.check()?);
        registry.set_series_budget(budget);
        Ok(registry)
    }

    /// Makes it the process's [`default_registry`](crate::default_registry): to be called first in
    /// `main`.
    ///
    /// # Errors
    ///
    /// When the prefix or a label breaks a rule, or the default registry was used before.
    pub fn install(self) -> Result<&'static Registry, Error> {
        global::install(self.build()?)
    }

    fn check(self) -> Result<Common, Error> {
        let Self { mut prefix, labels, shows_created, .. } = self;
        if !prefix.is_empty() {
            names::check_prefix(&prefix)?;
            prefix.push('_');
        }
        let label_names: Vec<_> = labels.iter().map(|(name, _)| name.as_str()).collect();
        names::check_common_labels(&label_names)?;
        let mut block = String::new();
        for (name, value) in &labels {
            push_label(&mut block, name, value);
        }
        Ok(Common { prefix, labels, block, shows_created })
    }
}
