//! The one error of the crate.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why the console did not start. Its text has the cause and the remedy.
pub struct Error(Cause);

#[derive(Debug)]
enum Cause {
    Bind { what: &'static str, option: &'static str, address: SocketAddr, source: io::Error },
    Open { address: SocketAddr },
    Token,
    Random(getrandom::Error),
    Target { text: String, remedy: &'static str },
    Command { text: String, remedy: &'static str },
    Start { program: String, source: io::Error },
    Action { text: String, remedy: &'static str },
}

impl Error {
    pub(crate) fn bind(
        what: &'static str,
        option: &'static str,
        address: SocketAddr,
        source: io::Error,
    ) -> Self {
        Self(Cause::Bind { what, option, address, source })
    }

    pub(crate) fn open(address: SocketAddr) -> Self {
        Self(Cause::Open { address })
    }

    pub(crate) fn token() -> Self {
        Self(Cause::Token)
    }

    pub(crate) fn random(source: getrandom::Error) -> Self {
        Self(Cause::Random(source))
    }

    pub(crate) fn target(text: &str, remedy: &'static str) -> Self {
        Self(Cause::Target { text: text.into(), remedy })
    }

    pub(crate) fn action(text: &str, remedy: &'static str) -> Self {
        Self(Cause::Action { text: text.into(), remedy })
    }

    pub(crate) fn command(text: &str, remedy: &'static str) -> Self {
        Self(Cause::Command { text: text.into(), remedy })
    }

    pub(crate) fn start(service: &str, command: &[OsString], source: io::Error) -> Self {
        let program = command.first().map(|it| it.to_string_lossy()).unwrap_or_default();
        Self(Cause::Start { program: format!("{program} ({service})"), source })
    }

    /// What a shell would end with: 127 for a program that is not there, 126 for one that cannot be run, else 1.
    pub fn exit_code(&self) -> u8 {
        match &self.0 {
            Cause::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Cause::Start { .. } => 126,
            _ => 1,
        }
    }

    /// Whether another program listens on an address that the console was to listen on.
    pub fn is_address_in_use(&self) -> bool {
        matches!(&self.0, Cause::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
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
        match &self.0 {
            Cause::Bind { what, option, address, source }
                if source.kind() == io::ErrorKind::AddrInUse =>
            {
                write!(
                    f,
                    "port {} of {} is in use, so the console cannot take {what} there: end the \
                     program that listens on {address}, or give another address with {option} \
                     (port 0 takes a free one)",
                    address.port(),
                    address.ip(),
                )
            }
            Cause::Bind { what, option, address, source } => write!(
                f,
                "the console cannot listen on {address} for {what} ({source}): give another \
                 address with {option}",
            ),
            Cause::Open { address } => write!(
                f,
                "the API on {address} would be open to the network without a token: listen on a \
                 loopback address, or keep the token",
            ),
            Cause::Token => f.write_str(
                "the token is not usable: give 1 to 256 letters, digits or any of . _ - ~ + / =, \
                 or none",
            ),
            Cause::Random(source) => write!(
                f,
                "the operating system gave no random bytes for a token ({source}): give a token",
            ),
            Cause::Target { text, remedy } => {
                write!(f, "{text:?} is no service to watch: {remedy}")
            }
            Cause::Command { text, remedy } => write!(f, "{text:?} is nothing to run: {remedy}"),
            Cause::Start { program, source } => write!(
                f,
                "{program} cannot be started ({source}): give the path of a program, or the name of one \
                 on PATH, and its arguments after --",
            ),
            Cause::Action { text, remedy } => write!(f, "{text:?} is no action: {remedy}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Bind { source, .. } => Some(source),
            Cause::Random(source) => Some(source),
            Cause::Start { source, .. } => Some(source),
            Cause::Open { .. }
            | Cause::Token
            | Cause::Target { .. }
            | Cause::Action { .. }
            | Cause::Command { .. } => None,
        }
    }
}
