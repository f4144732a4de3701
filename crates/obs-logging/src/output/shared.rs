//! The threads that log write, all at the same time.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tracing_core::Level;

use super::report::FlushReport;
use super::tally::{Counts, Tally, level_index};
use super::target::Notice;
use super::writing::{self, WRITER};

/// With more threads than this some count in the same place.
const STRIPES: usize = 16;

/// A writer that many threads may call at once.
pub(crate) trait SharedWrite: Send + Sync {
    fn write_shared(&self, bytes: &[u8]) -> io::Result<usize>;

    fn flush_shared(&self) -> io::Result<()>;
}

impl<W> SharedWrite for W
where
    W: Send + Sync,
    for<'a> &'a W: Write,
{
    fn write_shared(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = self;
        writer.write(bytes)
    }

    fn flush_shared(&self) -> io::Result<()> {
        let mut writer = self;
        writer.flush()
    }
}

pub(crate) struct Shared {
    writer: Box<dyn SharedWrite>,
    notice: Notice,
    /// Lost lines that the log itself has reported of.
    reported: AtomicU64,
    /// A write failed in the middle of a line: the next one must begin with a newline.
    is_torn: AtomicBool,
    tally: Arc<Tally>,
    stripes: [Stripe; STRIPES],
}

/// What some threads have written: on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    lines: [AtomicU64; 5],
    bytes: AtomicU64,
}

impl Shared {
    pub(crate) fn new(writer: Box<dyn SharedWrite>, notice: Notice, tally: Arc<Tally>) -> Self {
        Self {
            writer,
            notice,
            reported: AtomicU64::new(0),
            is_torn: AtomicBool::new(false),
            tally,
            stripes: std::array::from_fn(|_| Stripe::default()),
        }
    }

    pub(super) fn push(&self, level: Level, line: &[u8]) -> bool {
        let was_taken = writing::once(|| {
            let was_taken = self.write(level, line);
            if was_taken && self.tally.dropped() > self.reported.load(Ordering::Relaxed) {
                self.report();
            }
            was_taken
        });
        was_taken.unwrap_or_else(|| {
            self.tally.count_dropped(level);
            false
        })
    }

    /// Writes a line, and counts it as written or as lost.
    #[inline]
    fn write(&self, level: Level, line: &[u8]) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if self.is_torn.load(Ordering::Relaxed) && self.is_torn.swap(false, Ordering::Relaxed) {
                self.write_all(b"\n")?;
            }
            self.write_all(line)
        }));
        if let Ok(Ok(())) = outcome {
            let stripe = &self.stripes[stripe()];
            stripe.lines[level_index(level)].fetch_add(1, Ordering::Relaxed);
            stripe.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
            return true;
        }
        self.tally.count_dropped(level);
        self.tally.note_shared_error();
        if let Err(panic) = outcome {
            WRITER.caught(panic);
        }
        false
    }

    #[inline]
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self.writer.write_shared(bytes) {
            Ok(taken) if taken == bytes.len() => Ok(()),
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            started => self.write_rest(bytes, started.unwrap_or(0)),
        }
    }

    #[cold]
    fn write_rest(&self, bytes: &[u8], mut taken: usize) -> io::Result<()> {
        while taken < bytes.len() {
            let outcome = match self.writer.write_shared(&bytes[taken..]) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
                outcome => outcome,
            };
            match outcome {
                Ok(more) => taken += more.min(bytes.len() - taken),
                Err(error) => {
                    self.is_torn.fetch_or(taken > 0, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn report(&self) {
        let (reported, dropped) = (self.reported.load(Ordering::Relaxed), self.tally.dropped());
        let mine = self
            .reported
            .compare_exchange(reported, dropped, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if mine && dropped > reported {
            self.write(Level::WARN, &(self.notice)(dropped - reported));
        }
    }

    pub(super) fn flush(&self) -> FlushReport {
        let flushed = WRITER.call(|| self.writer.flush_shared());
        let complete = matches!(flushed, Some(Ok(())));
        if !complete {
            self.tally.note_shared_error();
        }
        let counts = self.counts();
        FlushReport {
            written: counts.written,
            dropped: counts.dropped,
            unknown: counts.unknown,
            complete,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.tally.counts();
        for stripe in &self.stripes {
            let lines: u64 = stripe.lines.iter().map(|level| level.load(Ordering::Relaxed)).sum();
            counts.emitted += lines;
            counts.written += lines;
            counts.bytes += stripe.bytes.load(Ordering::Relaxed);
        }
        counts
    }

    pub(super) fn emitted(&self) -> [u64; 5] {
        let mut all = self.tally.emitted();
        for stripe in &self.stripes {
            let of_stripe = stripe.lines.iter().map(|level| level.load(Ordering::Relaxed));
            all.iter_mut().zip(of_stripe).for_each(|(all, one)| *all += one);
        }
        all
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Where this thread counts.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let new = || NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    let find = |stripe: &Cell<Option<usize>>| {
        let found = stripe.get().unwrap_or_else(new);
        stripe.set(Some(found));
        found
    };
    STRIPE.try_with(find).unwrap_or(0)
}
