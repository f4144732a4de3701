//! The writer behind the lines, which may fail in every way.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use obs_guard::Place;
use tracing_core::Level;

use super::tally::{Tally, level_index};

/// Makes the line that says how many lines were lost.
pub(crate) type Notice = Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// How long a writer that "would block" (a non-blocking pipe) is tried again.
const PATIENCE: Duration = Duration::from_secs(1);

/// The writer is the application's.
pub(super) static WRITER: Place = Place::new("logging.writer");

/// A writer, what the account says of it, and whether it stands in the middle of a line.
pub(crate) struct Target {
    writer: Box<dyn Write + Send>,
    /// A write failed in the middle of a line: the next one must begin with a newline.
    is_torn: bool,
    /// Lost lines that the log itself has told of.
    told: u64,
    notice: Notice,
}

impl Target {
    pub(crate) fn new(writer: Box<dyn Write + Send>, notice: Notice) -> Self {
        Self { writer, is_torn: false, told: 0, notice }
    }

    /// Writes whole lines that end at `ends`, and answers whether all went well. Lines that the writer
    /// does not take are counted as lost.
    pub(super) fn write(&mut self, bytes: &[u8], ends: &[u32], tally: &Tally) -> bool {
        let taken = self.write_counted(bytes, tally);
        if taken == bytes.len() {
            tally.written.add(ends.len() as u64);
            return true;
        }
        let lines = ends.partition_point(|end| *end as usize <= taken);
        tally.written.add(lines as u64);
        tally.lost.add((ends.len() - lines) as u64);
        if taken > 0 {
            self.is_torn = lines == 0 || ends[lines - 1] as usize != taken;
        }
        false
    }

    /// Says in the log how many lines have been lost since it was last said.
    #[inline]
    pub(super) fn tell_of_losses(&mut self, dropped: u64, tally: &Tally) {
        if dropped > self.told {
            self.tell(dropped, tally);
        }
    }

    #[cold]
    fn tell(&mut self, dropped: u64, tally: &Tally) {
        let notice = (self.notice)(dropped - self.told);
        if self.write_counted(&notice, tally) == notice.len() {
            self.told = dropped;
            tally.emitted[level_index(Level::WARN)].add(1);
            tally.written.add(1);
        }
    }

    pub(super) fn flush(&mut self, tally: &Tally) {
        let flushed = WRITER.call(|| self.writer.flush());
        if !matches!(flushed, Some(Ok(()))) {
            tally.write_errors.add(1);
        }
    }

    /// How many of the bytes the writer took.
    fn write_counted(&mut self, bytes: &[u8], tally: &Tally) -> usize {
        let mut taken = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if self.is_torn {
                write_all(&mut self.writer, b"\n", &mut 0)?;
                self.is_torn = false;
            }
            write_all(&mut self.writer, bytes, &mut taken)
        }));
        tally.bytes.add(taken as u64);
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                tally.write_errors.add(1);
            }
            Err(panic) => {
                tally.write_errors.add(1);
                WRITER.caught(panic);
            }
        }
        taken
    }
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
                if waiting_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
