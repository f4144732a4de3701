//! The one error of this crate.

use std::fmt;

/// Something was asked of this crate that it cannot do; the text says what to do instead.
pub struct Error {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Name {
        what: &'static str,
        name: String,
    },
    Taken {
        what: &'static str,
        name: String,
    },
    Unknown {
        name: String,
        known: Vec<String>,
    },
    #[cfg(feature = "http-check")]
    Url {
        url: String,
        problem: &'static str,
    },
    Bind {
        what: &'static str,
        endpoint: String,
        source: std::io::Error,
    },
    Thread {
        what: &'static str,
        source: std::io::Error,
    },
    Runtime {
        what: &'static str,
    },
    Signals {
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind }
    }

    /// Whether an address could not be bound, most often because another process has the port.
    pub fn is_bind(&self) -> bool {
        matches!(self.kind, Kind::Bind { .. })
    }
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Name { what, name } => {
                write!(f, "{what} {name:?} has no usable name: use 1 to 64 of [a-z0-9_.-]")
            }
            Kind::Taken { what, name } => {
                write!(f, "{what} {name:?} exists already: give each its own name")
            }
            Kind::Unknown { name, known } => write!(
                f,
                "there is no check {name:?}: correct the name, or add the check first; there are: {}",
                known.join(", ")
            ),
            #[cfg(feature = "http-check")]
            Kind::Url { url, problem } => {
                write!(f, "{url:?} cannot be asked: {problem}; give http://host:port/path")
            }
            Kind::Bind { what, endpoint, source } => write!(
                f,
                "{what} cannot listen on {endpoint}: {source}; stop what listens there, or choose another port or path"
            ),
            Kind::Thread { what, source } => {
                write!(f, "the thread of {what} cannot start: {source}; raise the thread limit")
            }
            Kind::Runtime { what } => {
                write!(f, "{what} needs a tokio runtime: call this inside one")
            }
            Kind::Signals { source } => {
                write!(
                    f,
                    "signals cannot be watched: {source}; raise the limits of open files and threads"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Bind { source, .. } | Kind::Thread { source, .. } | Kind::Signals { source } => {
                Some(source)
            }
            _ => None,
        }
    }
}

/// Names stand in JSON, in labels and in log lines: the narrowest alphabet serves all three.
pub(crate) fn checked_name(what: &'static str, name: &str) -> Result<(), Error> {
    let usable = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(usable) {
        return Ok(());
    }
    Err(Error::new(Kind::Name { what, name: name.chars().take(80).collect() }))
}
