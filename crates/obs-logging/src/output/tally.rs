//! The account of lines.

use std::sync::atomic::{AtomicU64, Ordering};

use obs_context::{Sample, SampleKind, Source};
use tracing_core::Level;

use crate::callsite::level_name;

/// How many lines there were, and what became of them.
///
/// `emitted` is `written`, `dropped` and what still waits for the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that were made.
    pub emitted: u64,
    /// Lines that the output has taken whole.
    pub written: u64,
    /// Lines that were lost: to a full buffer, to a failed write, or to the deadline of a shutdown.
    pub dropped: u64,
    /// Writes that failed; each may have cost many lines.
    pub write_errors: u64,
    /// Bytes that the output has taken.
    pub bytes: u64,
}

/// What is counted where the output is.
#[derive(Default)]
pub(crate) struct Tally {
    pub(super) emitted: [AtomicU64; 5],
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Panics that the hook has seen.
    pub(crate) panics: AtomicU64,
    /// Lines that a processor has held back.
    pub(crate) suppressed: AtomicU64,
}

impl Tally {
    #[inline]
    pub(super) fn emitted(&self, level: Level) {
        self.emitted[level_index(level)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            written: read(&self.written),
            dropped: read(&self.dropped),
            write_errors: read(&self.write_errors),
            bytes: read(&self.bytes),
            emitted: self.emitted.iter().map(read).sum(),
        }
    }
}

/// 0 for errors to 4 for traces.
#[inline]
pub(super) const fn level_index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

impl Source for super::Sink {
    fn collect(&self, sink: &mut dyn FnMut(Sample<'_>)) {
        let (emitted, tally) = match self {
            Self::Direct(direct) => (direct.emitted(), direct.tally()),
            Self::Queue(queue) => (queue.emitted(), queue.tally()),
        };
        for (level, lines) in LEVELS.iter().zip(emitted) {
            sink(Sample {
                name: "obs_log_lines_total",
                help: "Log lines that were made, by level.",
                kind: SampleKind::Counter,
                labels: &[("level", level_name(level))],
                value: lines as f64,
            });
        }
        let counts = self.counts();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let totals = [
            ("obs_log_lines_written_total", "Log lines that the output took.", counts.written),
            ("obs_log_lines_dropped_total", "Log lines that were lost.", counts.dropped),
            (
                "obs_log_lines_suppressed_total",
                "Log lines that sampling or a rate limit held back.",
                read(&tally.suppressed),
            ),
            ("obs_log_write_errors_total", "Writes of log lines that failed.", counts.write_errors),
            ("obs_log_bytes_total", "Bytes of log lines that the output took.", counts.bytes),
            ("panics_total", "Panics that the panic hook saw.", read(&tally.panics)),
        ];
        for (name, help, value) in totals {
            let kind = SampleKind::Counter;
            sink(Sample { name, help, kind, labels: &[], value: value as f64 });
        }
    }
}
