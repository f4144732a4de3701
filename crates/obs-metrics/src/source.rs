//! Numbers that are asked for at a scrape, brought together.

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

/// The samples of one scrape, brought together by name. The next scrape uses it again: names, labels
/// and definitions that stay the same cost no memory twice.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    families: BTreeMap<&'static str, Rows>,
    /// Which scrape this is; what was not seen in it is forgotten at its end.
    scrape: u64,
    /// Whether a family came or went, so that names must be given out anew.
    changed: bool,
    /// The names that the families shown here take.
    taken: HashSet<String>,
    block: String,
    own: Batch,
}

#[derive(Debug)]
struct Rows {
    help: &'static str,
    kind: SampleKind,
    labels: Vec<&'static str>,
    /// `None` where the definition breaks a rule.
    family: Option<Descriptor>,
    claims: Vec<String>,
    /// Whether another family took one of its names first.
    clashes: bool,
    rows: BTreeMap<String, Row>,
    scrape: u64,
}

#[derive(Debug)]
struct Row {
    value: f64,
    scrape: u64,
}

impl Gathered {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.scrape += 1;
    }

    /// Takes what a source said.
    pub(crate) fn take(&mut self, batch: &Batch) {
        batch.samples().for_each(|sample| self.add(sample));
    }

    /// Takes the registry's own numbers.
    pub(crate) fn take_own(&mut self, collect: impl FnOnce(&mut Batch)) {
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        collect(&mut own);
        self.take(&own);
        self.own = own;
    }

    fn add(&mut self, sample: BatchSample<'_>) {
        let (scrape, value) = (self.scrape, sample.value);
        let family = self.families.entry(sample.name).or_insert_with(|| Rows::of(sample));
        if family.scrape != scrape {
            // The first sample of a scrape says what the family is.
            if !family.fits(sample) || family.help != sample.help {
                *family = Rows::of(sample);
            }
            self.changed |= family.scrape == 0;
            family.scrape = scrape;
        }
        self.block.clear();
        for (name, value) in sample.labels() {
            push_label(&mut self.block, name, value);
        }
        let fits = family.fits(sample) && sample.is_possible();
        match family.rows.get_mut(&self.block) {
            Some(row) if fits && row.scrape != scrape => *row = Row { value, scrape },
            None if fits => {
                family.rows.insert(self.block.clone(), Row { value, scrape });
            }
            _ => {
                REJECTED.fetch_add(1, Relaxed);
            }
        }
    }

    /// Writes what is wanted, breaks no rule, and is not the name of something else.
    pub(crate) fn expose(
        &mut self,
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
        is_taken: &dyn Fn(&str) -> bool,
    ) {
        self.forget_others();
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

    /// The names that the families of the last scrape took.
    #[cfg(feature = "prometheus-client")]
    pub(crate) fn taken(&self) -> &HashSet<String> {
        &self.taken
    }

    /// Forgets what this scrape has not seen, and gives the names out where that changed something: to
    /// the first family by name.
    fn forget_others(&mut self) {
        let before = self.families.len();
        self.families.retain(|_, rows| rows.scrape == self.scrape);
        for rows in self.families.values_mut() {
            rows.rows.retain(|_, row| row.scrape == self.scrape);
        }
        if !std::mem::take(&mut self.changed) && self.families.len() == before {
            return;
        }
        self.taken.clear();
        for rows in self.families.values_mut().filter(|rows| rows.family.is_some()) {
            rows.clashes = rows.claims.iter().any(|name| self.taken.contains(name));
            if !rows.clashes {
                self.taken.extend(rows.claims.iter().cloned());
            }
        }
    }
}

impl Rows {
    #[track_caller]
    fn of(sample: BatchSample<'_>) -> Self {
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
    fn fits(&self, sample: BatchSample<'_>) -> bool {
        self.kind == sample.kind
            && self.labels.iter().copied().eq(sample.labels().map(|(name, _)| name))
    }
}
