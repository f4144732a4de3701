//! The writer behind the lines, which may fail in every way.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use tracing_core::Level;

#[cfg(feature = "otlp")]
use super::records::Records;
use super::tally::{Tally, level_index};
use super::writing::WRITER;

/// Makes the line that says how many lines were lost.
pub(crate) type Notice = Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// How long a writer that "would block" (a non-blocking pipe) is tried again.
const WOULD_BLOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A writer, what the account says of it, and whether it stands in the middle of a line.
pub(crate) struct Target {
    writer: Box<dyn Write + Send>,
    /// A write failed in the middle of a line: the next one must begin with a newline.
    is_torn: bool,
    /// Lost lines that the log itself has reported of.
    reported: u64,
    notice: Notice,
    /// In place of the writer.
    #[cfg(feature = "otlp")]
    records: Option<Box<dyn Records>>,
}

impl Target {
    pub(crate) fn new(writer: Box<dyn Write + Send>, notice: Notice) -> Self {
        Self {
            writer,
            is_torn: false,
            reported: 0,
            notice,
            #[cfg(feature = "otlp")]
            records: None,
        }
    }

    /// As one of records, which only the worker can write.
    #[cfg(feature = "otlp")]
    pub(crate) fn of_records(records: Box<dyn Records>, notice: Notice) -> Self {
        Self { records: Some(records), ..Self::new(Box::new(io::sink()), notice) }
    }

    /// Whether the thread that logs may write a line once the worker has ended.
    pub(super) fn takes_late_lines(&self) -> bool {
        #[cfg(feature = "otlp")]
        return self.records.is_none();
        #[cfg(not(feature = "otlp"))]
        true
    }

    /// Writes whole lines that end at `ends`, and answers whether all went well. Lines that the writer
    /// does not take are counted as lost; those that follow one are tried all the same, unless the writer
    /// panicked or has no room.
    pub(super) fn write(&mut self, bytes: &[u8], ends: &[u32], tally: &Tally) -> bool {
        #[cfg(feature = "otlp")]
        if let Some(records) = &mut self.records {
            return super::records::write(&mut **records, bytes, ends, tally);
        }
        #[cfg(feature = "stack")]
        let with_text = crate::stack::with_text(bytes, ends);
        #[cfg(feature = "stack")]
        let (bytes, ends) = with_text.as_ref().map_or((bytes, ends), |(bytes, ends)| (bytes, ends));
        if ends.is_empty() {
            return true;
        }
        match self.write_counted(bytes, tally) {
            (_, None) => {
                tally.written.add(ends.len() as u64);
                true
            }
            (taken, Some(failure)) => {
                self.after_failure(bytes, ends, (taken, failure), tally);
                false
            }
        }
    }

    /// Counts the lines that a write did not take, and writes those that follow.
    #[cold]
    fn after_failure(
        &mut self,
        bytes: &[u8],
        ends: &[u32],
        mut failed: (usize, Failure),
        tally: &Tally,
    ) {
        let mut start = 0;
        let mut rest = ends;
        loop {
            let (taken, failure) = failed;
            let lines = rest.partition_point(|end| *end as usize <= start + taken);
            tally.written.add(lines as u64);
            if taken > 0 {
                self.is_torn = lines == 0 || rest[lines - 1] as usize != start + taken;
            }
            let untaken = &rest[lines..];
            let is_over = failure == Failure::OfAll;
            let (lost, next) =
                untaken.split_at(if is_over { untaken.len() } else { 1.min(untaken.len()) });
            tally.lost.add(lost.len() as u64);
            start = lost.last().map_or(bytes.len(), |end| *end as usize);
            rest = next;
            if rest.is_empty() {
                return;
            }
            failed = match self.write_counted(&bytes[start..], tally) {
                (_, None) => {
                    tally.written.add(rest.len() as u64);
                    return;
                }
                (taken, Some(failure)) => (taken, failure),
            };
        }
    }

    /// Says in the log how many lines have been lost since it was last said.
    #[inline]
    pub(super) fn report_losses(&mut self, dropped: u64, tally: &Tally) {
        if dropped > self.reported {
            self.report(dropped, tally);
        }
    }

    #[cold]
    fn report(&mut self, dropped: u64, tally: &Tally) {
        let notice = (self.notice)(dropped - self.reported);
        #[cfg(feature = "otlp")]
        if let Some(records) = &mut self.records {
            self.reported = dropped;
            tally.emitted[level_index(Level::WARN)].add(1);
            super::records::write(&mut **records, &notice, &[notice.len() as u32], tally);
            return;
        }
        if self.write_counted(&notice, tally).1.is_none() {
            self.reported = dropped;
            tally.emitted[level_index(Level::WARN)].add(1);
            tally.written.add(1);
        }
    }

    pub(super) fn flush(&mut self, tally: &Tally) {
        #[cfg(feature = "otlp")]
        if let Some(records) = &mut self.records {
            return records.end_of_pass();
        }
        let flushed = WRITER.call(|| self.writer.flush());
        if !matches!(flushed, Some(Ok(()))) {
            tally.write_errors.add(1);
        }
    }

    /// How many of the bytes the writer took, and why not all.
    fn write_counted(&mut self, bytes: &[u8], tally: &Tally) -> (usize, Option<Failure>) {
        let mut taken = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if self.is_torn {
                write_all(&mut self.writer, b"\n", &mut 0)?;
                self.is_torn = false;
            }
            write_all(&mut self.writer, bytes, &mut taken)
        }));
        tally.bytes.add(taken as u64);
        let failure = match outcome {
            Ok(Ok(())) => return (taken, None),
            Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => Failure::OfAll,
            Ok(Err(_)) => Failure::OfLine,
            Err(panic) => {
                WRITER.caught(panic);
                Failure::OfAll
            }
        };
        tally.write_errors.add(1);
        (taken, Some(failure))
    }
}

/// What a failed write says about the lines that follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// They may be taken.
    OfLine,
    /// Trying them would wait, or panic, once for each.
    OfAll,
}

/// As [`Write::write_all`], telling how far it got, and patient with a writer that would block.
fn write_all(writer: &mut dyn Write, bytes: &[u8], taken: &mut usize) -> io::Result<()> {
    let mut waiting_since = None;
    while *taken < bytes.len() {
        match writer.write(&bytes[*taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => {
                *taken += more.min(bytes.len() - *taken);
                waiting_since = None;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if waiting_since.get_or_insert_with(Instant::now).elapsed() > WOULD_BLOCK_TIMEOUT {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
