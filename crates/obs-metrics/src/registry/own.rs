//! The registry's numbers about itself.

use std::sync::Arc;

use obs_context::{Sample, SampleKind};

use super::Registry;
use crate::batch::Batch;
use crate::family::Collect;
use crate::{failures, metric, source_samples, sources};

impl Registry {
    pub(super) fn collect_own(&self, families: &[Arc<dyn Collect>], own: &mut Batch) {
        let mut series = 0;
        for family in families {
            series += family.series();
            // From the start, or `increase()` would miss the first time. Without labels there is one series.
            if !family.descriptor().labels.is_empty() {
                own.push(&Sample {
                    name: "obs_metrics_overflow_total",
                    help: "Uses of the overflow series, by the metric that reached its limit.",
                    kind: SampleKind::Counter,
                    labels: &[("metric", &family.descriptor().name)],
                    value: family.overflowed() as f64,
                });
            }
        }
        let has_budget = self.0.budget.most().is_some();
        let labelled = families.iter().filter(|family| !family.descriptor().labels.is_empty());
        for family in labelled.filter(|_| has_budget) {
            own.push(&Sample {
                name: "obs_metrics_series_shed_total",
                help: "Uses of the overflow series because the registry's budget of series was used up.",
                kind: SampleKind::Counter,
                labels: &[("metric", &family.descriptor().name)],
                value: family.shed() as f64,
            });
        }
        obs_guard::each_place(|place, panics| {
            own.push(&Sample {
                name: "obs_application_panics_total",
                help: "Panics of the application's code that were caught where the toolkit calls it.",
                kind: SampleKind::Counter,
                labels: &[("place", place)],
                value: panics as f64,
            });
        });
        let mut push = |name, help, kind, value| {
            own.push(&Sample { name, help, kind, labels: &[], value });
        };
        push("obs_metrics_series", "Series of this registry.", SampleKind::Gauge, series as f64);
        push(
            "obs_metrics_observations_rejected_total",
            "Observations left out because they were not finite.",
            SampleKind::Counter,
            metric::rejected_observations() as f64,
        );
        push(
            "obs_metrics_registrations_failed_total",
            "Metrics that work but are not shown, because their definition was refused.",
            SampleKind::Counter,
            failures::failures() as f64,
        );
        push(
            "obs_metrics_samples_rejected_total",
            "Samples of mounted sources left out because they broke a rule.",
            SampleKind::Counter,
            source_samples::rejected() as f64,
        );
        push(
            "obs_metrics_sources_late_total",
            "Mounted sources that a scrape went on without, because they had not answered in time.",
            SampleKind::Counter,
            sources::late_count() as f64,
        );
        #[cfg(feature = "prometheus-client")]
        push(
            "obs_metrics_foreign_rejected_total",
            "Families and lines of prometheus-client registries left out because they broke a rule.",
            SampleKind::Counter,
            crate::foreign::rejected() as f64,
        );
    }
}
