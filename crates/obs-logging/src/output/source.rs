//! The account of lines as metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use obs_context::{Sample, SampleKind, Source};
use tracing_core::Level;

use super::{Sink, Tally, failed_removals, failed_rotations};
use crate::context::current::Context;
use crate::encode::head::level_name;

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// The accounts of some outputs; where there are several, each has a name.
pub(crate) struct Accounts(Vec<(Option<String>, Arc<Sink>)>);

impl Accounts {
    pub(crate) fn new(outputs: Vec<(Option<String>, Arc<Sink>)>) -> Self {
        Self(outputs)
    }

    /// A number of each level of each output that has it.
    fn collect_levels(
        &self,
        sink: &mut dyn FnMut(Sample<'_>),
        name: &'static str,
        help: &'static str,
        read: fn(&Sink) -> Option<[u64; 5]>,
    ) {
        for (output_name, output) in &self.0 {
            for (level, lines) in LEVELS.iter().zip(read(output).into_iter().flatten()) {
                let level = ("level", level_name(level));
                let labels = output_name.as_deref().map(|name| [level, ("output", name)]);
                let level = [level];
                let labels = labels.as_ref().map_or(&level[..], |labels| labels);
                let value = lines as f64;
                sink(Sample { name, help, kind: SampleKind::Counter, labels, value });
            }
        }
    }

    /// A number of each output.
    fn collect_each(
        &self,
        sink: &mut dyn FnMut(Sample<'_>),
        name: &'static str,
        help: &'static str,
        read: fn(&Sink) -> u64,
    ) {
        for (output_name, output) in &self.0 {
            let label = output_name.as_deref().map(|name| [("output", name)]);
            let labels = label.as_ref().map_or(&[][..], |label| label);
            let value = read(output) as f64;
            sink(Sample { name, help, kind: SampleKind::Counter, labels, value });
        }
    }
}

impl Source for Accounts {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let made = "Log lines that were made, by level.";
        self.collect_levels(sink, "obs_log_lines_total", made, |output| Some(output.emitted()));
        let shed = "Log lines that the budget has shed, by level.";
        self.collect_levels(sink, "obs_log_lines_shed_total", shed, |output| {
            output.tally().shed_by_level()
        });
        let mut each = |name, help, read| self.collect_each(sink, name, help, read);
        each("obs_log_lines_written_total", "Log lines that the output took.", |output| {
            output.counts().written
        });
        each("obs_log_lines_dropped_total", "Log lines that were lost.", |output| {
            output.counts().dropped
        });
        each(
            "obs_log_lines_suppressed_total",
            "Log lines that sampling, a rate limit or a processor held back.",
            |output| output.tally().suppressed(),
        );
        each("obs_log_write_errors_total", "Writes of log lines that failed.", |output| {
            output.counts().write_errors
        });
        each("obs_log_bytes_total", "Bytes of log lines that the output took.", |output| {
            output.counts().bytes
        });
        let panics = |tally: &Tally| tally.panics.load(Ordering::Relaxed);
        let process = [
            (
                "obs_log_context_fields_left_out_total",
                "Fields that found no room in the context of their request.",
                Context::fields_left_out(),
            ),
            (
                "obs_log_rotations_failed_total",
                "Log files that could not be rotated and were written on.",
                failed_rotations(),
            ),
            (
                "obs_log_removals_failed_total",
                "Full log files that are past what is kept and could not be removed.",
                failed_removals(),
            ),
            (
                "panics_total",
                "Panics that the panic hook saw.",
                self.0.iter().map(|(_, output)| panics(output.tally())).sum(),
            ),
        ];
        for (name, help, value) in process {
            let kind = SampleKind::Counter;
            sink(Sample { name, help, kind, labels: &[], value: value as f64 });
        }
    }
}
