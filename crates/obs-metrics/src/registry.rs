//! Where metrics are registered, checked, and read at a scrape.

mod encode;
mod own;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use obs_context::Source;

use crate::buckets::{Bounds, Buckets};
use crate::common::Common;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::family::{
    Budget, Collect, CounterVec, Family, GaugeVec, HistogramVec, MetricVec, SummaryVec, single,
};
use crate::metric::{Counter, Gauge, Histogram, Info, Sealed, StateSet, Summary};
use crate::source_samples::SourceSamples;
use crate::sources::{ScrapeSource, Sources};

/// A set of metrics that is scraped as a whole. A clone is the same registry.
///
/// Registering checks the definition: names, labels, buckets and help must be what the exposition
/// formats allow, and no series may belong to two metrics. The same definition again gives the same
/// metric; another one under a taken name is an error that tells where both stand in the source.
///
/// ```
/// use obs_metrics::{Buckets, Registry};
///
/// let registry = Registry::new();
/// let orders = registry.counter("orders_total", "Orders accepted.")?;
/// let again = registry.counter("orders_total", "Orders accepted.")?;
/// orders.inc();
/// assert_eq!(again.value(), 1);
///
/// let error = registry.gauge("orders_total", "Orders open.").unwrap_err();
/// assert!(error.is_invalid());                       // `_total` belongs to counters
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    families: RwLock<Families>,
    sources: Sources,
    /// The samples of the last scrape's sources. Taken out while a scrape uses them.
    source_samples: Mutex<SourceSamples>,
    #[cfg(feature = "otlp-push")]
    created: CreatedAt,
    common: Common,
    budget: Arc<Budget>,
}

/// When a registry was created: the start time of cumulative numbers.
#[cfg(feature = "otlp-push")]
struct CreatedAt(std::time::SystemTime);

#[cfg(feature = "otlp-push")]
impl Default for CreatedAt {
    fn default() -> Self {
        Self(std::time::SystemTime::now())
    }
}

/// How many series a registry may have: told by [`Registry::series_budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesBudget {
    /// What was set.
    pub most: usize,
    /// The series that there are, without overflow series.
    pub series: usize,
    /// Uses of overflow series because the budget was used up.
    pub shed: u64,
}

#[derive(Default)]
struct Families {
    /// By name, so that every scrape has the same order.
    by_name: BTreeMap<Box<str>, Entry>,
    /// Every family and series name that is taken, and by which family.
    claims: HashMap<String, Box<str>>,
    /// The values of `by_name`, for scrapes; rebuilt after each registration.
    list: OnceLock<Collectors>,
}

pub(crate) type Collectors = Arc<[Arc<dyn Collect>]>;

#[derive(Clone)]
struct Entry {
    collect: Arc<dyn Collect>,
    /// The same family, to be downcast to its type.
    any: Arc<dyn Any + Send + Sync>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_common(common: Common) -> Self {
        Self(Arc::new(Inner { common, ..Inner::default() }))
    }

    /// Sets how many series all families together may have, beside one overflow series each; `None` for as many as
    /// their own limits allow, which is the default.
    ///
    /// Past the budget new label sets share the overflow series of their metric, as past the metric's own limit. Of
    /// the last eighth nothing is left to metrics with more series than the mean, so that one unbounded label takes
    /// no room from the others. Metrics without labels are always there. A warning tells of it, at most once in half a
    /// minute, and `obs_metrics_series_shed_total{metric}` counts. Series of mounted sources are not in it.
    pub fn set_series_budget(&self, most: Option<usize>) {
        self.0.budget.set(most);
    }

    /// The budget of all families, and how much of it they use; `None` where there is none.
    pub fn series_budget(&self) -> Option<SeriesBudget> {
        let families = self.collectors();
        let shed = families.iter().map(|family| family.shed()).sum();
        Some(SeriesBudget { most: self.0.budget.most()?, series: self.0.budget.series(), shed })
    }

    /// A counter without labels. Its name must end in `_total`.
    #[track_caller]
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, Error> {
        self.register(name, help, &[], (), String::new()).map(|family| single(&family))
    }

    /// A counter for each set of label values.
    #[track_caller]
    pub fn counter_vec<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<CounterVec<N>, Error> {
        self.register(name, help, &labels, (), String::new()).map(MetricVec::new)
    }

    /// A gauge without labels.
    #[track_caller]
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.register(name, help, &[], (), String::new()).map(|family| single(&family))
    }

    /// A gauge for each set of label values.
    #[track_caller]
    pub fn gauge_vec<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Result<GaugeVec<N>, Error> {
        self.register(name, help, &labels, (), String::new()).map(MetricVec::new)
    }

    /// A histogram without labels.
    #[track_caller]
    pub fn histogram(&self, name: &str, help: &str, buckets: Buckets) -> Result<Histogram, Error> {
        self.register_histogram(name, help, &[], buckets).map(|family| single(&family))
    }

    /// A histogram for each set of label values.
    #[track_caller]
    pub fn histogram_vec<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        buckets: Buckets,
    ) -> Result<HistogramVec<N>, Error> {
        self.register_histogram(name, help, &labels, buckets).map(MetricVec::new)
    }

    /// A summary without labels, showing these quantiles (from 0 to 1).
    #[track_caller]
    pub fn summary(&self, name: &str, help: &str, quantiles: &[f64]) -> Result<Summary, Error> {
        self.register_summary(name, help, &[], quantiles).map(|family| single(&family))
    }

    /// A summary for each set of label values, showing these quantiles (from 0 to 1).
    #[track_caller]
    pub fn summary_vec<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        quantiles: &[f64],
    ) -> Result<SummaryVec<N>, Error> {
        self.register_summary(name, help, &labels, quantiles).map(MetricVec::new)
    }

    /// Which of these states something is in.
    #[track_caller]
    pub fn state_set(&self, name: &str, help: &str, states: &[&str]) -> Result<StateSet, Error> {
        let distinct: BTreeSet<_> = states.iter().collect();
        if states.is_empty() || distinct.len() != states.len() {
            return Err(Error::invalid(format!(
                "the states of `{name}` are {states:?}: give at least one, and each once"
            )));
        }
        let settings = format!("states {states:?}");
        let states = states.iter().map(|state| Box::from(*state)).collect();
        self.register(name, help, &[], states, settings).map(|family| single(&family))
    }

    /// What does not change while the process runs, such as its version: one series that is 1. Its name
    /// must end in `_info`.
    ///
    /// ```
    /// let registry = obs_metrics::Registry::new();
    /// registry.info("build_info", "What runs here.", [("version", env!("CARGO_PKG_VERSION"))])?;
    /// # Ok::<(), obs_metrics::Error>(())
    /// ```
    #[track_caller]
    pub fn info<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [(&str, &str); N],
    ) -> Result<(), Error> {
        let (names, values) = (labels.map(|(name, _)| name), labels.map(|(_, value)| value));
        let family = self.register::<Info>(name, help, &names, (), format!("values {values:?}"))?;
        MetricVec::<Info, N>::new(family).with(values);
        Ok(())
    }

    /// Shows the numbers of this source at every scrape. What breaks a rule, or belongs to a metric
    /// that is registered here, is left out and counted in `obs_metrics_samples_rejected_total`.
    ///
    /// Sources are asked on a thread of their own, one after another. One that panics costs the samples
    /// that it had not given yet; one that has not answered by the scrape's deadline (see
    /// [`Endpoint`](crate::Endpoint); 10 s for the `encode_` methods) is left out until it answers, and
    /// counted in `obs_metrics_sources_late_total`.
    pub fn mount(&self, source: Arc<dyn Source>) {
        self.0.sources.mount(None, ScrapeSource::Source(source));
    }

    /// [`Registry::mount`], unless a source of this name is mounted already.
    pub(crate) fn mount_once(&self, name: &'static str, source: Arc<dyn Source>) {
        self.0.sources.mount(Some(name), ScrapeSource::Source(source));
    }

    /// Shows the metrics of a prometheus-client registry in the same answer.
    ///
    /// prometheus-client checks little. What would make a scraper refuse the whole answer is left out
    /// and counted in `obs_metrics_foreign_rejected_total`: names that are taken, series and labels that
    /// come twice, buckets out of order, histograms that have native buckets only. Help is escaped.
    ///
    /// The other way round, a `Registry` is a `prometheus_client::collector::Collector`.
    #[cfg(feature = "prometheus-client")]
    pub fn mount_prometheus_client(&self, registry: prometheus_client::registry::Registry) {
        self.0.sources.mount(None, ScrapeSource::ForeignFamily(Arc::new(registry)));
    }

    /// The families, by name.
    pub(crate) fn collectors(&self) -> Collectors {
        let families = self.families();
        let all = || families.by_name.values().map(|entry| entry.collect.clone()).collect();
        families.list.get_or_init(all).clone()
    }

    fn families(&self) -> RwLockReadGuard<'_, Families> {
        self.0.families.read().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn register_histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Buckets,
    ) -> Result<Arc<Family<Histogram>>, Error> {
        buckets.check(name)?;
        let settings = buckets.settings();
        self.register(name, help, labels, Bounds::new(buckets), settings)
    }

    #[track_caller]
    fn register_summary(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        quantiles: &[f64],
    ) -> Result<Arc<Family<Summary>>, Error> {
        let sound = quantiles.iter().all(|share| (0.0..=1.0).contains(share))
            && quantiles.windows(2).all(|pair| pair[0] < pair[1]);
        if !sound {
            return Err(Error::invalid(format!(
                "the quantiles of `{name}` are {quantiles:?}: give each once, from 0 to 1, in growing order"
            )));
        }
        let settings = format!("quantiles {quantiles:?}");
        self.register(name, help, labels, quantiles.into(), settings)
    }

    #[track_caller]
    fn register<M: Sealed>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        settings: M::Settings,
        settings_text: String,
    ) -> Result<Arc<Family<M>>, Error> {
        let location = Location::caller();
        let common = &self.0.common;
        let name = &*format!("{}{name}", common.prefix);
        let mut new = Descriptor::new(name, M::KIND, help, labels, settings_text, location)?;
        new.prefix = common.prefix.len();
        common.check_labels(name, labels)?;
        let mut families = self.0.families.write().unwrap_or_else(PoisonError::into_inner);
        let taken = new.claims().find_map(|claim| families.claims.get(&claim));
        if let Some(entry) = taken.and_then(|name| families.by_name.get(name)) {
            let there = entry.collect.descriptor();
            let same = there.is_same(&new).then(|| entry.any.clone().downcast().ok()).flatten();
            return same.ok_or_else(|| new.conflict_with(there));
        }
        let claims: Vec<_> = new.claims().collect();
        let budget = self.0.budget.clone();
        let family = Arc::new(Family::<M>::new(new, settings, common.shows_created, budget));
        for claim in claims {
            families.claims.insert(claim, name.into());
        }
        let entry = Entry { collect: family.clone(), any: family.clone() };
        families.by_name.insert(name.into(), entry);
        families.list.take();
        Ok(family)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.families();
        f.debug_struct("Registry").field("families", &families.by_name.keys()).finish()
    }
}
