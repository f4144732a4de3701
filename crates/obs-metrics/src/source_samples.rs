//! The samples of all sources at one scrape, merged by family.

use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::SampleKind;

use crate::batch::{Batch, BatchSample};
use crate::descriptor::Descriptor;
use crate::expose::{Expose, Number};
use crate::family::push_label;
use crate::kind::Kind;

/// Samples that were not shown, in the whole process.
static REJECTED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn rejected() -> u64 {
    REJECTED.load(Relaxed)
}

/// The samples of one scrape, by family. The next scrape reuses it: names, labels
/// and definitions that stay the same allocate nothing.
#[derive(Debug, Default)]
pub(crate) struct SourceSamples {
    families: BTreeMap<&'static str, SourceFamily>,
    /// The number of this scrape. Rows that it did not see are removed at its end.
    scrape: u64,
    /// Whether a family was added or removed, so that the names must be claimed again.
    changed: bool,
    /// The names of the families that are shown.
    claimed_names: HashSet<String>,
    block: String,
    own: Batch,
}

#[derive(Debug)]
struct SourceFamily {
    help: &'static str,
    kind: SampleKind,
    labels: Vec<&'static str>,
    /// `None` where the definition breaks a rule.
    family: Option<Descriptor>,
    claims: Vec<String>,
    /// Whether another family took one of its names first.
    clashes: bool,
    rows: BTreeMap<String, SourceRow>,
    scrape: u64,
}

#[derive(Debug)]
struct SourceRow {
    value: f64,
    scrape: u64,
}

impl SourceSamples {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.scrape += 1;
    }

    /// Adds the samples of one source.
    pub(crate) fn add_batch(&mut self, batch: &Batch) {
        batch.samples().for_each(|sample| self.add(sample));
    }

    /// Adds the registry's own samples.
    pub(crate) fn add_own(&mut self, collect: impl FnOnce(&mut Batch)) {
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        collect(&mut own);
        self.add_batch(&own);
        self.own = own;
    }

    fn add(&mut self, sample: BatchSample<'_>) {
        let (scrape, value) = (self.scrape, sample.value);
        let family =
            self.families.entry(sample.name).or_insert_with(|| SourceFamily::from_sample(sample));
        if family.scrape != scrape {
            // The first sample of a scrape says what the family is.
            if !family.matches(sample) || family.help != sample.help {
                *family = SourceFamily::from_sample(sample);
            }
            self.changed |= family.scrape == 0;
            family.scrape = scrape;
        }
        self.block.clear();
        for (name, value) in sample.labels() {
            push_label(&mut self.block, name, value);
        }
        let fits = family.matches(sample) && sample.is_valid();
        match family.rows.get_mut(&self.block) {
            Some(row) if fits && row.scrape != scrape => *row = SourceRow { value, scrape },
            None if fits => {
                family.rows.insert(self.block.clone(), SourceRow { value, scrape });
            }
            _ => {
                REJECTED.fetch_add(1, Relaxed);
            }
        }
    }

    /// Writes the families that `wanted` accepts, that are valid, and whose names are free.
    pub(crate) fn expose(
        &mut self,
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
        is_taken: &dyn Fn(&str) -> bool,
    ) {
        self.remove_stale();
        for rows in self.families.values() {
            let is_free = !rows.clashes && !rows.claims.iter().any(|name| is_taken(name));
            let Some(family) = rows.family.as_ref().filter(|_| is_free) else {
                REJECTED.fetch_add(rows.rows.len() as u64, Relaxed);
                continue;
            };
            if !wanted(family) {
                continue;
            }
            out.family(family);
            for (block, row) in &rows.rows {
                match family.kind {
                    Kind::Counter => out.counter(family, block, Number::Float(row.value), None),
                    _ => out.gauge(family, block, row.value),
                }
            }
        }
    }

    /// The names of the families of the last scrape.
    #[cfg(feature = "prometheus-client")]
    pub(crate) fn claimed_names(&self) -> &HashSet<String> {
        &self.claimed_names
    }

    /// Removes what this scrape has not seen. If that changed something, claims the names again, for
    /// the first family by name.
    fn remove_stale(&mut self) {
        let before = self.families.len();
        self.families.retain(|_, rows| rows.scrape == self.scrape);
        for rows in self.families.values_mut() {
            rows.rows.retain(|_, row| row.scrape == self.scrape);
        }
        if !std::mem::take(&mut self.changed) && self.families.len() == before {
            return;
        }
        self.claimed_names.clear();
        for rows in self.families.values_mut().filter(|rows| rows.family.is_some()) {
            rows.clashes = rows.claims.iter().any(|name| self.claimed_names.contains(name));
            if !rows.clashes {
                self.claimed_names.extend(rows.claims.iter().cloned());
            }
        }
    }
}

impl SourceFamily {
    #[track_caller]
    fn from_sample(sample: BatchSample<'_>) -> Self {
        let labels: Vec<_> = sample.labels().map(|(name, _)| name).collect();
        let kind = match sample.kind {
            SampleKind::Counter => Kind::Counter,
            SampleKind::Gauge => Kind::Gauge,
        };
        let (name, help, place) = (sample.name, sample.help, Location::caller());
        let family = Descriptor::new(name, kind, help, &labels, String::new(), place).ok();
        let claims = family.iter().flat_map(Descriptor::claims).collect();
        let (kind, rows) = (sample.kind, BTreeMap::new());
        Self { help, kind, labels, family, claims, clashes: false, rows, scrape: 0 }
    }

    /// Whether the sample has this kind and these labels.
    fn matches(&self, sample: BatchSample<'_>) -> bool {
        self.kind == sample.kind
            && self.labels.iter().copied().eq(sample.labels().map(|(name, _)| name))
    }
}
