//! Which output there is.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use super::{AtDeadline, Direct, LogFile, Notice, Shared, SharedWrite, Sink, Tally, Target};
use crate::error::Error;
#[cfg(feature = "otlp")]
use crate::otlp::Otlp;

/// Where lines go.
pub struct Output(Kind);

enum Kind {
    Stdout,
    Stderr,
    File(LogFile),
    Writer(Box<dyn Write + Send>),
    Shared(Box<dyn SharedWrite>),
    #[cfg(feature = "otlp")]
    Otlp(Otlp),
}

impl Output {
    /// The standard output: where a service in a container logs.
    pub fn stdout() -> Self {
        Self(Kind::Stdout)
    }

    /// The standard error.
    pub fn stderr() -> Self {
        Self(Kind::Stderr)
    }

    /// The end of this file, which is made if it is missing.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::log_file(LogFile::new(path))
    }

    /// A file that is rotated.
    pub fn log_file(file: LogFile) -> Self {
        Self(Kind::File(file))
    }

    /// Any writer. Unless it is [`Delivery::Blocking`](crate::Delivery::Blocking), it gets many lines a call, and is flushed after
    /// each batch.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Kind::Writer(Box::new(writer)))
    }

    /// A writer that many threads may call at once, because a reference to it is a writer: a
    /// [`File`](std::fs::File), [`io::Sink`], or one of your own that takes each line whole.
    ///
    /// With [`Delivery::Blocking`](crate::Delivery::Blocking) there is no lock: every line is one call, made by the thread that logs
    /// it. Lines that the writer takes in several parts may get mixed with those of other threads.
    pub fn shared_writer<W>(writer: W) -> Self
    where
        W: Send + Sync + 'static,
        for<'a> &'a W: Write,
    {
        Self(Kind::Shared(Box::new(writer)))
    }

    /// An OpenTelemetry collector, which gets log records instead of lines. Lines of another layer may
    /// go elsewhere at the same time.
    #[cfg(feature = "otlp")]
    pub fn otlp(collector: Otlp) -> Self {
        Self(Kind::Otlp(collector))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        match &self.0 {
            Kind::Stdout => io::stdout().is_terminal(),
            Kind::Stderr => io::stderr().is_terminal(),
            Kind::File(_) | Kind::Writer(_) | Kind::Shared(_) => false,
            #[cfg(feature = "otlp")]
            Kind::Otlp(_) => false,
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn collector(&self) -> Option<&Otlp> {
        match &self.0 {
            Kind::Otlp(collector) => Some(collector),
            _ => None,
        }
    }

    /// The sink of lines that are written by the thread that logs them.
    pub(crate) fn direct(self, notice: Notice, tally: Arc<Tally>) -> Result<Sink, Error> {
        Ok(match self.0 {
            Kind::Shared(writer) => Sink::Shared(Box::new(Shared::new(writer, notice, tally))),
            _ => Sink::Direct(Direct::new(Target::new(self.open()?, notice), tally)),
        })
    }

    /// What the writer's thread writes to, and what is told the deadline of a shutdown. `event_key` is how the lines
    /// call their message.
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "only records have parts"))]
    pub(crate) fn target(
        self,
        event_key: &str,
        notice: Notice,
    ) -> Result<(Target, Option<AtDeadline>), Error> {
        match self.0 {
            #[cfg(feature = "otlp")]
            Kind::Otlp(collector) => {
                let (closer, closing) = obs_otlp::closing();
                let records = collector.records(event_key.to_owned(), closing)?;
                let at_deadline = Box::new(move |deadline| closer.close_by(deadline));
                Ok((Target::of_records(Box::new(records), notice), Some(at_deadline)))
            }
            _ => Ok((Target::new(self.open()?, notice), None)),
        }
    }

    fn open(self) -> Result<Box<dyn Write + Send>, Error> {
        match self.0 {
            #[cfg(feature = "otlp")]
            Kind::Otlp(_) => Err(crate::otlp::blocking()),
            Kind::Stdout => standard(io::stdout()),
            Kind::Stderr => standard(io::stderr()),
            Kind::Writer(writer) => Ok(writer),
            Kind::Shared(writer) => Ok(Box::new(Owned(writer))),
            Kind::File(file) => {
                let what = format!("the log file {} cannot be opened", file.path().display());
                let remedy = "give a path in a directory that the service may write to";
                let file =
                    file.open().map_err(|error| Error::new(what, remedy).caused_by(error))?;
                Ok(Box::new(file))
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Stdout => f.write_str("stdout"),
            Kind::Stderr => f.write_str("stderr"),
            Kind::File(file) => write!(f, "file {}", file.path().display()),
            Kind::Writer(_) => f.write_str("writer"),
            Kind::Shared(_) => f.write_str("shared writer"),
            #[cfg(feature = "otlp")]
            Kind::Otlp(collector) => collector.fmt(f),
        }
    }
}

/// The stream behind the standard library's buffer, which would keep lines that it failed to write.
#[cfg(unix)]
fn standard(stream: impl std::os::fd::AsFd) -> Result<Box<dyn Write + Send>, Error> {
    let stream = stream.as_fd().try_clone_to_owned().map_err(|error| {
        Error::new("a standard stream cannot be used", "give the process one, or log to a file")
            .caused_by(error)
    })?;
    Ok(Box::new(std::fs::File::from(stream)))
}

#[cfg(not(unix))]
fn standard(stream: impl Write + Send + 'static) -> Result<Box<dyn Write + Send>, Error> {
    Ok(Box::new(stream))
}

/// A writer that might be shared, but is not.
struct Owned(Box<dyn SharedWrite>);

impl Write for Owned {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_shared(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush_shared()
    }
}
