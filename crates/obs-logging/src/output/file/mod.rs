//! Lines in a file, which may be rotated by us or by others.

#[cfg_attr(not(unix), path = "unlocked.rs")]
mod lock;
mod rename;
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
pub(crate) use retention::{Retention, failed_removals};

/// How often it checks whether the path still leads to the open file.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// After a rotation that failed, the old file is written for so long before the next try.
const ROTATION_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often it tries again while other processes rotate the file.
const MAX_ATTEMPTS: u32 = 16;

/// How many names are tried for a full file.
const MAX_NAMES: u32 = 64;

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
/// is begun within half a second, without a signal; after a failed write the file is reopened. Where
/// a full file cannot be renamed, it is written on and the rotation is tried again every second.
/// Several processes may write and rotate one file: locks keep each line in one of its files, which may
/// be longer by what the others wrote at the same moment. Missing directories are made, and a relative path is resolved once, when the layer is built.
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

    /// Keeps this many full files, besides the one that is written.
    pub fn keep_files(mut self, files: usize) -> Self {
        self.retention.files = Some(files);
        self
    }

    /// Keeps this many bytes of full files.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.retention.bytes = Some(bytes);
        self
    }

    fn is_rotated(&self) -> bool {
        self.max_bytes.is_some() || self.max_age.is_some()
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
            checked_at: Instant::now(),
            reopenings: reopen::asked(),
            rotates_after: None,
        };
        let now = retention::full_name(&opened.plan.path, &time_text());
        opened.plan.retention.apply(&opened.plan.path, &now);
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
    /// Devices and pipes are neither checked nor rotated.
    is_regular: bool,
    period: u128,
    checked_at: Instant,
    /// The number of reopen requests when this file was opened.
    reopenings: u32,
    /// The next try, where a rotation has failed.
    rotates_after: Option<Instant>,
}

impl Write for OpenFile {
    /// Takes as many whole lines as the file has room for.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_regular {
            self.ensure_open(end_of_first_line(bytes))?;
        }
        let fitting = self.fitting(bytes);
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        let outcome = file.write(&bytes[..fitting]);
        if self.is_regular && self.plan.is_rotated() {
            lock::release(file);
        }
        match outcome {
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
    /// Sees to it that there is a file, the right one, and with room for the next line. A file that is
    /// rotated is locked against rotation by other processes from here to the end of the write.
    fn ensure_open(&mut self, next_line: usize) -> io::Result<()> {
        if self.reopenings != reopen::asked() {
            self.reopenings = reopen::asked();
            self.file = None;
        }
        if !self.plan.is_rotated() {
            return self.check_periodically();
        }
        for _ in 0..MAX_ATTEMPTS {
            self.lock_current_file()?;
            let length = self.bytes.saturating_add(next_line as u64);
            let is_full = self.plan.max_bytes.is_some_and(|limit| length > limit);
            let period = self.plan.period(SystemTime::now());
            if self.bytes == 0 {
                self.period = period;
            } else if (is_full || period != self.period) && self.may_rotate() {
                self.rotate(period)?;
                continue;
            }
            break;
        }
        Ok(())
    }

    fn check_periodically(&mut self) -> io::Result<()> {
        if self.file.is_some() && self.checked_at.elapsed() >= CHECK_INTERVAL {
            self.checked_at = Instant::now();
            if self.length_in_place().is_none() {
                self.file = None;
            }
        }
        if self.file.is_none() { self.reopen() } else { Ok(()) }
    }

    /// Another process may have renamed the file before the lock was there.
    fn lock_current_file(&mut self) -> io::Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            if self.file.is_none() {
                self.reopen()?;
            }
            if let Some(file) = &self.file {
                lock::share(file);
            }
            match self.length_in_place() {
                Some(length) => {
                    self.bytes = length;
                    break;
                }
                None => self.file = None,
            }
        }
        if self.file.is_none() { self.reopen() } else { Ok(()) }
    }

    fn may_rotate(&self) -> bool {
        self.rotates_after.is_none_or(|next| Instant::now() >= next)
    }

    /// Up to the last end of a line for which there is room; one line at least.
    fn fitting(&self, bytes: &[u8]) -> usize {
        let is_rotated = self.is_regular && self.rotates_after.is_none();
        let Some(limit) = self.plan.max_bytes.filter(|_| is_rotated) else {
            return bytes.len();
        };
        let room = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return bytes.len();
        }
        let last = bytes[..room].iter().rposition(|byte| *byte == b'\n');
        last.map_or_else(|| end_of_first_line(bytes), |last| last + 1)
    }

    /// Begins a new file; goes on in the old one where that fails.
    fn rotate(&mut self, period: u128) -> io::Result<()> {
        let Ok(full) = self.rename_full_file() else {
            if let Some(file) = &self.file {
                lock::release(file);
            }
            FAILED_ROTATIONS.fetch_add(1, Ordering::Relaxed);
            self.rotates_after = Instant::now().checked_add(ROTATION_RETRY_INTERVAL);
            return Ok(());
        };
        self.rotates_after = None;
        self.file = None;
        self.period = period;
        self.reopen()?;
        if let Some(full) = full {
            self.plan.retention.apply(&self.plan.path, &full);
        }
        Ok(())
    }

    /// Renames the file that is in place, once: of several processes that write it, one holds its lock
    /// alone, and those that come later find another file in its place.
    fn rename_full_file(&self) -> io::Result<Option<PathBuf>> {
        if let Some(file) = &self.file {
            lock::release(file);
            if !lock::exclude(file) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        if self.length_in_place().is_none() {
            return Ok(None);
        }
        for _ in 0..MAX_NAMES {
            let full = retention::full_name(&self.plan.path, &time_text());
            match rename::without_overwriting(&self.plan.path, &full) {
                Ok(()) => return Ok(Some(full)),
                // Two rotations within a microsecond.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    std::thread::sleep(Duration::from_micros(2));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let (file, bytes) = open(&self.plan.path)?;
        self.file = Some(file);
        self.bytes = bytes;
        Ok(())
    }

    /// The length of the file, if it still has its name.
    #[cfg(unix)]
    fn length_in_place(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        let ours = self.file.as_ref()?.metadata().ok()?;
        let there = std::fs::metadata(&self.plan.path).ok()?;
        ((there.dev(), there.ino()) == (ours.dev(), ours.ino())).then_some(there.len())
    }

    #[cfg(not(unix))]
    fn length_in_place(&self) -> Option<u64> {
        std::fs::metadata(&self.plan.path).ok().map(|there| there.len())
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
