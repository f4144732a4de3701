//! What an error is called: `error.type`.

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;

use crate::context::fields::Key;

/// The names of types of errors, by which an `&dyn Error` is recognised.
pub(crate) struct ErrorTypes(Vec<(Probe, &'static str)>);

type Probe = fn(&(dyn Error + 'static)) -> bool;

/// The keys of the fields of an error: made with the first error.
#[derive(Default)]
pub(crate) struct ErrorKeys(OnceCell<Box<Keys>>);

pub(crate) struct Keys {
    pub(crate) message: Key,
    pub(crate) kind: Key,
    pub(crate) chain: Key,
    pub(crate) location: Key,
    pub(crate) backtrace: Key,
}

impl ErrorTypes {
    pub(crate) fn add<E: Error + 'static>(&mut self, name: &'static str) {
        self.0.push((|error| error.is::<E>(), name));
    }

    pub(crate) fn name_of(&self, error: &(dyn Error + 'static)) -> Option<&'static str> {
        self.0.iter().find(|(is_one, _)| is_one(error)).map(|(_, name)| *name)
    }
}

/// Those of the standard library.
impl Default for ErrorTypes {
    fn default() -> Self {
        let mut types = Self(Vec::new());
        macro_rules! known {
            ($($error:ty),+ $(,)?) => { $(types.add::<$error>(stringify!($error));)+ };
        }
        known!(
            std::io::Error,
            std::fmt::Error,
            std::num::ParseIntError,
            std::num::ParseFloatError,
            std::num::TryFromIntError,
            std::str::ParseBoolError,
            std::str::Utf8Error,
            std::string::FromUtf8Error,
            std::array::TryFromSliceError,
            std::net::AddrParseError,
            std::env::VarError,
            std::time::SystemTimeError,
            std::sync::mpsc::RecvError,
            std::sync::mpsc::RecvTimeoutError,
        );
        types
    }
}

impl fmt::Debug for ErrorTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, name)| name)).finish()
    }
}

impl ErrorKeys {
    pub(crate) fn of(&self, field: &str) -> &Keys {
        self.0.get_or_init(|| Box::new(Keys::new(field)))
    }
}

impl Keys {
    pub(crate) fn new(field: &str) -> Self {
        let key = |suffix| Key::with_suffix(field, suffix);
        Self {
            message: key(".message"),
            kind: key(".type"),
            chain: key(".chain"),
            location: key(".location"),
            backtrace: key(".backtrace"),
        }
    }

    /// Those that stand beside the message.
    pub(crate) fn parts(&self) -> [&Key; 4] {
        [&self.kind, &self.chain, &self.location, &self.backtrace]
    }
}
