//! The labels that all series of a registry share.

use std::time::Duration;

use super::number::Number;
use super::writer::Expose;
use crate::common::Common;
use crate::descriptor::Descriptor;
use crate::exemplar::Exemplar;
use crate::family::{LabelPairs, push_label};
use crate::metric::snapshot::HistogramSnapshot;

/// Writes every series with the common labels after its own.
pub(crate) struct WithCommonLabels<'a> {
    out: &'a mut dyn Expose,
    common: &'a Common,
    may_clash: bool,
    block: String,
}

impl<'a> WithCommonLabels<'a> {
    /// Lets `write` write to `out`, with the common labels where there are some. Series that may have one
    /// of them (those that were not registered here) keep their own.
    pub(crate) fn write(
        out: &'a mut dyn Expose,
        common: &'a Common,
        may_clash: bool,
        write: impl FnOnce(&mut dyn Expose),
    ) {
        if common.labels.is_empty() {
            return write(out);
        }
        write(&mut Self { out, common, may_clash, block: String::new() });
    }

    fn block(&mut self, labels: &str) {
        self.block.clear();
        self.block.push_str(labels);
        if !self.may_clash {
            if !labels.is_empty() {
                self.block.push(',');
            }
            self.block.push_str(&self.common.block);
            return;
        }
        for (name, value) in &self.common.labels {
            if LabelPairs(labels).all(|(own, _)| own != name) {
                push_label(&mut self.block, name, value);
            }
        }
    }
}

impl Expose for WithCommonLabels<'_> {
    fn family(&mut self, family: &Descriptor) {
        self.out.family(family);
    }

    fn created(&mut self, created: Option<Duration>) {
        self.out.created(created);
    }

    fn counter(&mut self, family: &Descriptor, labels: &str, value: Number, e: Option<Exemplar>) {
        self.block(labels);
        self.out.counter(family, &self.block, value, e);
    }

    fn gauge(&mut self, family: &Descriptor, labels: &str, value: f64) {
        self.block(labels);
        self.out.gauge(family, &self.block, value);
    }

    fn histogram(&mut self, family: &Descriptor, labels: &str, histogram: &HistogramSnapshot<'_>) {
        self.block(labels);
        self.out.histogram(family, &self.block, histogram);
    }

    #[cfg(feature = "prometheus-client")]
    fn may_show_sum(&self, sum: f64, has_negative_bounds: bool) -> bool {
        self.out.may_show_sum(sum, has_negative_bounds)
    }

    fn sample(
        &mut self,
        family: &Descriptor,
        suffix: &str,
        labels: &str,
        value: Number,
        exemplar: Option<&str>,
    ) {
        self.block(labels);
        self.out.sample(family, suffix, &self.block, value, exemplar);
    }
}
