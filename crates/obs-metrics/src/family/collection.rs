//! All series of one metric.

use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::idle::IdleTracker;
use super::key::Key;
use super::labels::{LabelNames, push_label};
use super::limit::{self, SeriesLimit};
use super::table::{RetiredTable, SeriesRef, Table};
use super::{Labels, Series};
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::metric::{RECORDS, Sealed};
use crate::names::OVERFLOW_LABEL;
use crate::storage::{Pin, pin};

/// The values of one series' labels, in all: a longer set is a message, not a label.
const MAX_LABEL_BYTES: usize = 4096;

/// What the registry needs of a family, whatever its metric type.
pub(crate) trait Collect: Send + Sync {
    fn descriptor(&self) -> &Descriptor;

    /// Writes every series.
    fn expose(&self, out: &mut dyn Expose);

    fn series(&self) -> usize;

    /// Uses of the overflow series.
    fn overflowed(&self) -> u64;

    /// Of these, the ones for which the registry's budget is the reason.
    fn shed(&self) -> u64;

    fn limit(&self) -> usize;

    /// Calls for the label block of every series.
    fn blocks(&self, each: &mut dyn FnMut(&str));
}

/// All series of one metric.
#[derive(Debug)]
pub(crate) struct Family<M: Sealed> {
    descriptor: Descriptor,
    settings: M::Settings,
    names: LabelNames,
    table: Table<M::Core>,
    live: Mutex<LiveSeries<M::Core>>,
    limit: SeriesLimit,
    budget: Arc<Budget>,
    overflow: OnceLock<Arc<Series<M::Core>>>,
    /// Whether to show when a series began.
    shows_created: bool,
}

/// The series in the order of their creation, and what waits to be freed.
#[derive(Debug)]
struct LiveSeries<C> {
    series: Vec<Arc<Series<C>>>,
    retired: Vec<RetiredTable<C>>,
    idle: Option<IdleTracker>,
}

impl<M: Sealed> Family<M> {
    pub(crate) fn new(
        descriptor: Descriptor,
        settings: M::Settings,
        shows_created: bool,
        budget: Arc<Budget>,
    ) -> Self {
        budget.add_family();
        Self {
            names: LabelNames::new(&descriptor.labels),
            descriptor,
            settings,
            table: Table::new(),
            live: Mutex::new(LiveSeries { series: Vec::new(), retired: Vec::new(), idle: None }),
            limit: SeriesLimit::new(limit::DEFAULT_MAX_SERIES),
            budget,
            overflow: OnceLock::new(),
            shows_created,
        }
    }

    pub(crate) fn set_limit(&self, max_series: usize) {
        self.limit.set(max_series);
    }

    /// The series of these values, made where there is none; good as long as both the pin and the
    /// family.
    #[inline(always)]
    pub(crate) fn find_or_create<const N: usize>(
        &self,
        values: &[&str; N],
        pin: &Pin,
    ) -> ManuallyDrop<M> {
        if !RECORDS && N > 0 {
            // The number of any series would be 0: one stands for all.
            let series = self.overflow_series();
            return ManuallyDrop::new(M::from_series(ManuallyDrop::into_inner(
                series.borrow_arc(),
            )));
        }
        let key = self.names.key(values);
        let series = match self.find(&key, values, pin) {
            Some(series) => series,
            None => self.create(key, values, pin),
        };
        // `live`, `retired` or `overflow` owns the series: the pin, and the borrow of the family that the
        // caller binds the result to, keep it there. A count that threads share is not touched.
        ManuallyDrop::new(M::from_series(ManuallyDrop::into_inner(series.borrow_arc())))
    }

    /// A handle of these values' series, made where there is none, that no expiry overtakes.
    pub(crate) fn handle<const N: usize>(&self, values: &[&str; N]) -> M {
        if !RECORDS {
            return M::clone(&self.find_or_create(values, &pin()));
        }
        loop {
            let pin = pin();
            let key = self.names.key(values);
            let series = self.find(&key, values, &pin);
            let series = series.unwrap_or_else(|| self.create(key, values, &pin));
            let held = Arc::clone(&series.borrow_arc());
            if !held.is_expiring() {
                return M::from_series(held);
            }
            // An expiry holds the lock while it decides. After that the series is either gone, and a
            // new one takes its place, or is kept.
            drop((held, pin));
            drop(self.lock());
        }
    }

    /// Removes the series that `keep` refuses, and tells how many.
    ///
    /// `keep` is the application's: it is asked without the lock, and where it panics, nothing is
    /// removed.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&Labels) -> bool) -> usize {
        let mut refused = self.lock().series.clone();
        refused.retain(|series| !keep(series.labels()));
        if refused.is_empty() {
            return 0;
        }
        let refused: HashSet<_> = refused.iter().map(Arc::as_ptr).collect();
        self.retain_series(&mut self.lock(), |series| !refused.contains(&Arc::as_ptr(series)))
    }

    fn retain_series(
        &self,
        live: &mut LiveSeries<M::Core>,
        mut keep: impl FnMut(&Arc<Series<M::Core>>) -> bool,
    ) -> usize {
        let all = std::mem::take(&mut live.series);
        let (kept, removed): (Vec<_>, Vec<_>) = all.into_iter().partition(|series| keep(series));
        let count = removed.len();
        live.series = kept;
        if let Some(idle) = &mut live.idle {
            removed.iter().for_each(|series| idle.remove(Arc::as_ptr(series).addr()));
        }
        if count > 0 {
            let retired = self.table.replace(&live.series, removed);
            live.retired.push(retired);
            self.limit.try_admit(live.series.len());
            self.limit.set_series(live.series.len());
            self.budget.remove_series(count);
        }
        live.free_retired();
        count
    }

    /// From now on, each scrape removes the series that nobody used or held for so long.
    pub(crate) fn expire_after(&self, idle: Duration) {
        self.lock().idle = Some(IdleTracker::new(idle));
    }

    fn expire(&self, live: &mut LiveSeries<M::Core>) {
        let Some(mut idle) = live.idle.take() else { return };
        let now = Instant::now();
        self.retain_series(live, |series| {
            let address = Arc::as_ptr(series).addr();
            series.begin_expiry();
            let used = M::fingerprint(series.core());
            let held = Arc::strong_count(series) > 1;
            let is_expired = idle.is_expired(address, used, held, now);
            match is_expired {
                true => idle.remove(address),
                false => series.cancel_expiry(),
            }
            !is_expired
        });
        live.idle = Some(idle);
    }

    /// Removes the series of these values, and tells whether there was one.
    pub(crate) fn remove<const N: usize>(&self, values: &[&str; N]) -> bool {
        let key = self.names.key(values);
        self.retain(|labels| !labels.matches(&key, values)) > 0
    }

    #[inline(always)]
    fn find<'p, const N: usize>(
        &self,
        key: &Key,
        values: &[&str; N],
        pin: &'p Pin,
    ) -> Option<SeriesRef<'p, M::Core>> {
        self.table.find(key.hash, |series| series.labels().matches(key, values), pin)
    }

    #[cold]
    fn create<'a, const N: usize>(
        &'a self,
        key: Key,
        values: &[&str; N],
        pin: &'a Pin,
    ) -> SeriesRef<'a, M::Core> {
        let size = values.iter().fold(0_usize, |size, value| size.saturating_add(value.len()));
        if self.limit.is_reached() || size > MAX_LABEL_BYTES {
            return self.overflow(values);
        }
        // A metric without labels is one series, which is always there.
        if N > 0 && self.budget.refuses(self.limit.series()) {
            return match self.find(&key, values, pin) {
                Some(series) => series,
                None => self.shed(),
            };
        }
        let mut live = self.lock();
        if let Some(series) = self.find(&key, values, pin) {
            return series;
        }
        if !self.limit.try_admit(live.series.len()) {
            // The warning runs a subscriber's code.
            drop(live);
            return self.overflow(values);
        }
        let labels = Labels::new(key, &self.names, values);
        let key = self.names.key(values);
        live.series.push(Arc::new(Series::new(labels, M::core(&self.settings))));
        self.limit.set_series(live.series.len());
        self.budget.add_series();
        let outgrown = self.table.add(&live.series);
        live.retired.extend(outgrown);
        live.free_retired();
        drop(live);
        self.find(&key, values, pin).unwrap_or_else(|| self.overflow(values))
    }

    #[cold]
    fn overflow(&self, values: &[&str]) -> SeriesRef<'_, M::Core> {
        self.limit.count_overflow(&self.descriptor.name, values);
        self.overflow_series()
    }

    #[cold]
    fn shed(&self) -> SeriesRef<'_, M::Core> {
        self.limit.count_shed();
        self.budget.warn(&self.descriptor.name, self.limit.series());
        self.overflow_series()
    }

    fn overflow_series(&self) -> SeriesRef<'_, M::Core> {
        SeriesRef::owned_by(self.overflow.get_or_init(|| {
            let mut block = String::new();
            push_label(&mut block, OVERFLOW_LABEL, "true");
            Arc::new(Series::new(Labels::fixed(&block), M::core(&self.settings)))
        }))
    }

    fn lock(&self) -> MutexGuard<'_, LiveSeries<M::Core>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> LiveSeries<C> {
    fn free_retired(&mut self) {
        self.retired.retain_mut(|retired| !retired.is_reclaimable());
    }
}

impl<M: Sealed> Collect for Family<M> {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn expose(&self, out: &mut dyn Expose) {
        let mut live = self.lock();
        live.free_retired();
        self.expire(&mut live);
        let overflow = self.overflow.get().filter(|_| RECORDS);
        let all = live.series.iter().chain(overflow);
        let mut head = false;
        for series in all {
            if !std::mem::replace(&mut head, true) {
                out.family(&self.descriptor);
            }
            out.created(self.shows_created.then(|| series.created()));
            M::expose(series.core(), series.labels().block(), &self.descriptor, out);
        }
        out.created(None);
    }

    fn series(&self) -> usize {
        self.lock().series.len() + usize::from(self.overflow.get().is_some())
    }

    fn overflowed(&self) -> u64 {
        self.limit.overflowed()
    }

    fn shed(&self) -> u64 {
        self.limit.shed()
    }

    fn limit(&self) -> usize {
        self.limit.max_series()
    }

    fn blocks(&self, each: &mut dyn FnMut(&str)) {
        let live = self.lock();
        for series in live.series.iter().chain(self.overflow.get()) {
            each(series.labels().block());
        }
    }
}

/// A family of one series without labels.
pub(crate) fn single<M: Sealed>(family: &Family<M>) -> M {
    let pin = pin();
    M::clone(&family.find_or_create(&[], &pin))
}
