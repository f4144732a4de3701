//! Lines in a file, which may be rotated by us or by others.

mod reopen;
mod retention;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::encode::time::Clock;

pub use reopen::reopen_files;
#[cfg(unix)]
pub use reopen::reopen_files_on_hangup;
pub(crate) use retention::Retention;

/// How often it looks whether the file is still where it was.
const LOOK: Duration = Duration::from_millis(500);

/// After a rotation that failed, the old file is written for so long before the next try.
const ROTATION_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Rotations of this process that failed.
static FAILED_ROTATIONS: AtomicU64 = AtomicU64::new(0);

/// How many rotations have failed: the metric `obs_log_rotations_failed_total`.
pub(crate) fn failed_rotations() -> u64 {
    FAILED_ROTATIONS.load(Ordering::Relaxed)
}

/// A log file: when a new one is begun, and how much of the old is kept.
///
/// A full file is renamed to its name and the time, `app.log.20260619T102345.123456Z`, and a new one is
/// begun under its own name. Where somebody else has renamed or removed the file (logrotate), a new one
/// is begun within half a second, without a signal; after a failed write the file is opened anew. Where
/// a full file cannot be renamed, it is written on and the rotation is tried again every second.
/// Missing directories are made, and a relative path is resolved once, when the layer is built.
///
/// ```
/// use std::time::Duration;
/// use obs_logging::{LogFile, Output};
///
/// let file = LogFile::new("/var/log/orders/orders.log")
///     .max_bytes(100 * 1024 * 1024)
///     .max_age(Duration::from_secs(24 * 3600))
///     .keep_files(14)
///     .keep_bytes(1024 * 1024 * 1024);
/// let output = Output::log_file(file);
/// # let _ = output;
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to `Output::log_file`"]
pub struct LogFile {
    path: PathBuf,
    max_bytes: Option<u64>,
    max_age: Option<Duration>,
    retention: Retention,
}

impl LogFile {
    /// The end of this file, which is made if it is missing; never rotated.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Self { path, max_bytes: None, max_age: None, retention: Retention::default() }
    }

    /// Begins a new file before one grows past this. Only a single line may be longer.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Begins a new file when one is older than this, at whole multiples since 1970: a day means
    /// midnight in UTC.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Keeps so many full files, besides the one that is written.
    pub fn keep_files(mut self, files: usize) -> Self {
        self.retention.files = Some(files);
        self
    }

    /// Keeps so many bytes of full files.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.retention.bytes = Some(bytes);
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open(mut self) -> io::Result<OpenFile> {
        self.path = std::path::absolute(&self.path)?;
        let (file, bytes) = open(&self.path)?;
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let period = self.period(written_at(&file).unwrap_or_else(SystemTime::now));
        let opened = OpenFile {
            plan: self,
            file: Some(file),
            bytes,
            is_regular,
            period,
            looked: Instant::now(),
            reopenings: reopen::asked(),
            rotates_after: None,
        };
        opened.plan.retention.apply(&opened.plan.path);
        Ok(opened)
    }

    /// Which of the spans of time since 1970 this moment is in.
    fn period(&self, time: SystemTime) -> u128 {
        let age = self.max_age.map_or(0, |age| age.as_nanos());
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_nanos().checked_div(age).unwrap_or(0)
    }
}

/// The file that is being written.
pub(crate) struct OpenFile {
    plan: LogFile,
    /// `None` after a failed write, until it can be opened again.
    file: Option<File>,
    bytes: u64,
    /// Devices and pipes are neither looked after nor rotated.
    is_regular: bool,
    period: u128,
    looked: Instant,
    /// How often all files had been asked to be opened anew when this one was.
    reopenings: u32,
    /// The next try, where a rotation has failed.
    rotates_after: Option<Instant>,
}

impl Write for OpenFile {
    /// Takes as many whole lines as the file has room for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_regular {
            self.look_after(end_of_first_line(bytes))?;
        }
        let fitting = self.fitting(bytes);
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        match file.write(&bytes[..fitting]) {
            Ok(written) => {
                self.bytes += written as u64;
                Ok(written)
            }
            Err(error) => {
                if self.is_regular && error.kind() != io::ErrorKind::Interrupted {
                    self.file = None;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OpenFile {
    /// Sees to it that there is a file, the right one, and with room for the next line.
    fn look_after(&mut self, next_line: usize) -> io::Result<()> {
        if self.reopenings != reopen::asked() {
            self.reopenings = reopen::asked();
            self.file = None;
        }
        if self.file.is_some() && self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            if !self.is_in_place() {
                self.file = None;
            }
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let is_full = self.plan.max_bytes.is_some_and(|most| self.bytes + next_line as u64 > most);
        let period = self.plan.period(SystemTime::now());
        if self.bytes == 0 {
            self.period = period;
        } else if is_full || period != self.period {
            self.try_to_rotate(period)?;
        }
        Ok(())
    }

    /// Up to the last end of a line for which there is room; one line at least.
    fn fitting(&self, bytes: &[u8]) -> usize {
        let is_rotated = self.is_regular && self.rotates_after.is_none();
        let Some(most) = self.plan.max_bytes.filter(|_| is_rotated) else {
            return bytes.len();
        };
        let room = usize::try_from(most.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return bytes.len();
        }
        let last = bytes[..room].iter().rposition(|byte| *byte == b'\n');
        last.map_or_else(|| end_of_first_line(bytes), |last| last + 1)
    }

    /// Begins a new file; goes on in the old one where that fails.
    fn try_to_rotate(&mut self, period: u128) -> io::Result<()> {
        if self.rotates_after.is_some_and(|next| Instant::now() < next) {
            return Ok(());
        }
        if self.rename_full_file().is_err() {
            if let Some(file) = &self.file {
                let _was_never_locked = file.unlock();
            }
            FAILED_ROTATIONS.fetch_add(1, Ordering::Relaxed);
            self.rotates_after = Instant::now().checked_add(ROTATION_RETRY_INTERVAL);
            return Ok(());
        }
        self.rotates_after = None;
        self.file = None;
        self.period = period;
        self.reopen()?;
        self.plan.retention.apply(&self.plan.path);
        Ok(())
    }

    /// Renames the file that is in place, once: of several processes that write it, one holds its lock,
    /// and those that come later find another file in its place. Never overwrites a full file.
    fn rename_full_file(&self) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(file) = &self.file {
            match file.try_lock() {
                Ok(()) => {}
                // Another process renames it just now.
                Err(std::fs::TryLockError::WouldBlock) => return Ok(()),
                // A file system without locks: the look below is what is left.
                Err(std::fs::TryLockError::Error(_)) => {}
            }
        }
        if !self.is_in_place() {
            return Ok(());
        }
        let full = retention::full_name(&self.plan.path, &time_text());
        if full.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(&self.plan.path, full)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let (file, bytes) = open(&self.plan.path)?;
        self.file = Some(file);
        self.bytes = bytes;
        Ok(())
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let same = |there: std::fs::Metadata, ours: std::fs::Metadata| {
            (there.dev(), there.ino()) == (ours.dev(), ours.ino())
        };
        let ours = self.file.as_ref().and_then(|file| file.metadata().ok());
        match (std::fs::metadata(&self.plan.path), ours) {
            (Ok(there), Some(ours)) => same(there, ours),
            _ => false,
        }
    }

    #[cfg(not(unix))]
    fn is_in_place(&self) -> bool {
        self.plan.path.exists()
    }
}

/// The file and its length.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let options = OpenOptions::new().create(true).append(true).clone();
    let file = match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            options.open(path)?
        }
        (opened, _) => opened?,
    };
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    Ok((file, bytes))
}

fn end_of_first_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1)
}

fn written_at(file: &File) -> Option<SystemTime> {
    let metadata = file.metadata().ok()?;
    metadata.modified().ok().filter(|_| metadata.len() > 0)
}

/// `20260619T102345.123456Z`: sorts by time, and has no character that a file system forbids.
fn time_text() -> String {
    let mut text = Vec::new();
    Clock::default().append(&mut text, SystemTime::now().into());
    text.retain(|byte| !matches!(byte, b'-' | b':'));
    String::from_utf8_lossy(&text).into_owned()
}
