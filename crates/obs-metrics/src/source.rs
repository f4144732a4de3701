//! Numbers that are asked for at a scrape: those of other pillars, and our own.

use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use obs_context::{Sample, SampleKind, Source};

use crate::descriptor::{Descriptor, Kind};
use crate::expose::{Expose, Number};
use crate::family::{Collect, push_label};
use crate::{Registry, global, metric};

/// Samples that were not shown, in the whole process.
static REJECTED: AtomicU64 = AtomicU64::new(0);

/// The samples of one scrape, brought together by name.
#[derive(Debug, Default)]
pub(crate) struct Gathered(BTreeMap<&'static str, Rows>);

#[derive(Debug)]
struct Rows {
    help: &'static str,
    kind: SampleKind,
    labels: Vec<&'static str>,
    rows: BTreeMap<String, f64>,
}

impl Gathered {
    /// Takes the samples of a source.
    pub(crate) fn take(&mut self, source: &dyn Source) {
        source.collect(&mut |sample| self.add(&sample));
    }

    pub(crate) fn add(&mut self, sample: &Sample<'_>) {
        let rows = self.0.entry(sample.name).or_insert_with(|| Rows {
            help: sample.help,
            kind: sample.kind,
            labels: sample.labels.iter().map(|(name, _)| *name).collect(),
            rows: BTreeMap::new(),
        });
        let fits = rows.kind == sample.kind
            && rows.labels.iter().eq(sample.labels.iter().map(|(name, _)| name));
        let mut block = String::new();
        for (name, value) in sample.labels {
            push_label(&mut block, name, value);
        }
        if !fits || rows.rows.contains_key(&block) {
            REJECTED.fetch_add(1, Relaxed);
            return;
        }
        rows.rows.insert(block, sample.value);
    }

    /// Writes what is wanted, breaks no rule, and is not the name of something else; tells which names
    /// that took.
    pub(crate) fn expose(
        self,
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
        is_taken: &dyn Fn(&str) -> bool,
    ) -> HashSet<String> {
        let mut shown: HashSet<String> = HashSet::new();
        for (name, rows) in self.0 {
            let kind = match rows.kind {
                SampleKind::Counter => Kind::Counter,
                SampleKind::Gauge => Kind::Gauge,
            };
            let place = Location::caller();
            let family = Descriptor::new(name, kind, rows.help, &rows.labels, String::new(), place);
            let is_free = |family: &Descriptor| {
                !family.claims().any(|name| is_taken(&name) || shown.contains(&name))
            };
            let Some(family) = family.ok().filter(is_free) else {
                REJECTED.fetch_add(rows.rows.len() as u64, Relaxed);
                continue;
            };
            shown.extend(family.claims());
            if !wanted(&family) {
                continue;
            }
            out.family(&family);
            for (block, value) in rows.rows {
                match kind {
                    Kind::Counter => out.counter(&family, &block, Number::Float(value), None),
                    _ => out.gauge(&family, &block, value),
                }
            }
        }
        shown
    }
}

impl Registry {
    /// The registry's numbers about itself.
    pub(crate) fn collect_own(&self, families: &[Arc<dyn Collect>], gathered: &mut Gathered) {
        let mut series = 0;
        for family in families {
            series += family.series();
            let turned_away = family.turned_away();
            if turned_away > 0 {
                gathered.add(&Sample {
                    name: "obs_metrics_overflow_total",
                    help: "Uses of the overflow series, by the metric that reached its limit.",
                    kind: SampleKind::Counter,
                    labels: &[("metric", &family.descriptor().name)],
                    value: turned_away as f64,
                });
            }
        }
        let mut own = |name, help, kind, value| {
            gathered.add(&Sample { name, help, kind, labels: &[], value });
        };
        own("obs_metrics_series", "Series of this registry.", SampleKind::Gauge, series as f64);
        own(
            "obs_metrics_observations_rejected_total",
            "Observations left out because they were not finite.",
            SampleKind::Counter,
            metric::rejected_observations() as f64,
        );
        own(
            "obs_metrics_registrations_failed_total",
            "Metrics that work but are not shown, because their definition was refused.",
            SampleKind::Counter,
            global::failures() as f64,
        );
        own(
            "obs_metrics_samples_rejected_total",
            "Samples of mounted sources left out because they broke a rule.",
            SampleKind::Counter,
            REJECTED.load(Relaxed) as f64,
        );
        #[cfg(feature = "prometheus-client")]
        own(
            "obs_metrics_foreign_rejected_total",
            "Families and lines of prometheus-client registries left out because they broke a rule.",
            SampleKind::Counter,
            crate::foreign::rejected() as f64,
        );
    }
}
