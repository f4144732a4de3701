//! All series of one metric.

use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::idle::Idle;
use super::key::Key;
use super::labels::{Names, push_label};
use super::limit::{self, Limit};
use super::table::{RetiredTable, Table, borrowed_arc};
use super::{Labels, Series};
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::metric::Sealed;
use crate::names::OVERFLOW_LABEL;
use crate::storage::{Pin, pin};

/// What the registry needs of a family, whatever its metric type.
pub(crate) trait Collect: Send + Sync {
    fn descriptor(&self) -> &Descriptor;

    /// Writes every series.
    fn expose(&self, out: &mut dyn Expose);

    fn series(&self) -> usize;

    /// How often a label set was turned away to the overflow series.
    fn turned_away(&self) -> u64;

    fn limit(&self) -> usize;

    /// Calls for the label block of every series.
    fn blocks(&self, each: &mut dyn FnMut(&str));
}

/// All series of one metric.
#[derive(Debug)]
pub(crate) struct Family<M: Sealed> {
    descriptor: Descriptor,
    settings: M::Settings,
    names: Names,
    table: Table<M::Core>,
    live: Mutex<Live<M::Core>>,
    limit: Limit,
    overflow: OnceLock<Arc<Series<M::Core>>>,
    /// Whether to show when a series began.
    created: bool,
}

/// The series in the order of their creation, and what waits to be freed.
#[derive(Debug)]
struct Live<C> {
    series: Vec<Arc<Series<C>>>,
    retired: Vec<RetiredTable<C>>,
    idle: Option<Idle>,
}

impl<M: Sealed> Family<M> {
    pub(crate) fn new(descriptor: Descriptor, settings: M::Settings, created: bool) -> Self {
        Self {
            names: Names::new(&descriptor.labels),
            descriptor,
            settings,
            table: Table::new(),
            live: Mutex::new(Live { series: Vec::new(), retired: Vec::new(), idle: None }),
            limit: Limit::new(limit::DEFAULT),
            overflow: OnceLock::new(),
            created,
        }
    }

    pub(crate) fn set_limit(&self, most: usize) {
        self.limit.set(most);
    }

    /// The series of these values, made where there is none; good as long as both the pin and the
    /// family.
    #[inline(always)]
    pub(crate) fn find_or_make<const N: usize>(
        &self,
        values: &[&str; N],
        pin: &Pin,
    ) -> ManuallyDrop<M> {
        let key = self.names.key(values);
        let series = match self.find(&key, values, pin) {
            Some(series) => series,
            None => self.make(key, values, pin),
        };
        #[allow(unsafe_code, reason = "a lookup must not touch a count that threads share")]
        // SAFETY: `live`, `retired` or `overflow` owns the series: the pin and the borrow of the family
        // that the caller binds the result to keep it there.
        let arc = unsafe { borrowed_arc(series) };
        ManuallyDrop::new(M::from_series(ManuallyDrop::into_inner(arc)))
    }

    /// Removes the series that `keep` refuses, and tells how many.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&Labels) -> bool) -> usize {
        self.retain_series(&mut self.lock(), |series| keep(series.labels()))
    }

    fn retain_series(
        &self,
        live: &mut Live<M::Core>,
        mut keep: impl FnMut(&Arc<Series<M::Core>>) -> bool,
    ) -> usize {
        let all = std::mem::take(&mut live.series);
        let (kept, removed): (Vec<_>, Vec<_>) = all.into_iter().partition(|series| keep(series));
        let count = removed.len();
        live.series = kept;
        if count > 0 {
            let retired = self.table.replace(&live.series, removed);
            live.retired.push(retired);
            self.limit.admits(live.series.len());
        }
        live.free_retired();
        count
    }

    /// From now on, each scrape removes the series that nobody used or held for so long.
    pub(crate) fn expire_after(&self, idle: Duration) {
        self.lock().idle = Some(Idle::new(idle));
    }

    fn expire(&self, live: &mut Live<M::Core>) {
        let Some(mut idle) = live.idle.take() else { return };
        let now = Instant::now();
        let removed = self.retain_series(live, |series| {
            let used = M::fingerprint(series.core());
            let held = Arc::strong_count(series) > 1;
            !idle.is_over(Arc::as_ptr(series).addr(), used, held, now)
        });
        if removed > 0 {
            idle.forget_others(live.series.iter().map(|series| Arc::as_ptr(series).addr()));
        }
        live.idle = Some(idle);
    }

    /// Removes the series of these values, and tells whether there was one.
    pub(crate) fn remove<const N: usize>(&self, values: &[&str; N]) -> bool {
        let key = self.names.key(values);
        self.retain(|labels| !labels.are(&key, values)) > 0
    }

    #[inline(always)]
    fn find<'p, const N: usize>(
        &self,
        key: &Key,
        values: &[&str; N],
        pin: &'p Pin,
    ) -> Option<&'p Series<M::Core>> {
        self.table.find(key.hash, |series| series.labels().are(key, values), pin)
    }

    #[cold]
    fn make<'a, const N: usize>(
        &'a self,
        key: Key,
        values: &[&str; N],
        pin: &'a Pin,
    ) -> &'a Series<M::Core> {
        if self.limit.is_reached() {
            return self.overflow(values);
        }
        let mut live = self.lock();
        if let Some(series) = self.find(&key, values, pin) {
            return series;
        }
        if !self.limit.admits(live.series.len()) {
            return self.overflow(values);
        }
        let labels = Labels::new(key, &self.names, values);
        let key = self.names.key(values);
        live.series.push(Arc::new(Series::new(labels, M::core(&self.settings))));
        let outgrown = self.table.add(&live.series);
        live.retired.extend(outgrown);
        live.free_retired();
        match self.find(&key, values, pin) {
            Some(series) => series,
            None => self.overflow(values),
        }
    }

    #[cold]
    fn overflow(&self, values: &[&str]) -> &Series<M::Core> {
        self.limit.turn_away(&self.descriptor.name, values);
        self.overflow.get_or_init(|| {
            let mut block = String::new();
            push_label(&mut block, OVERFLOW_LABEL, "true");
            Arc::new(Series::new(Labels::fixed(&block), M::core(&self.settings)))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Live<M::Core>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Live<C> {
    fn free_retired(&mut self) {
        self.retired.retain_mut(|retired| !retired.is_over());
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
        let all = live.series.iter().chain(self.overflow.get());
        let mut head = false;
        for series in all {
            if !std::mem::replace(&mut head, true) {
                out.family(&self.descriptor);
            }
            out.born(self.created.then(|| series.born()));
            M::expose(series.core(), series.labels().block(), &self.descriptor, out);
        }
        out.born(None);
    }

    fn series(&self) -> usize {
        self.lock().series.len() + usize::from(self.overflow.get().is_some())
    }

    fn turned_away(&self) -> u64 {
        self.limit.turned_away()
    }

    fn limit(&self) -> usize {
        self.limit.most()
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
    M::clone(&family.find_or_make(&[], &pin))
}
