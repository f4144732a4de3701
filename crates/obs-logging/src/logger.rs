//! A logger that carries fields of its own.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::context::fields::Fields;
use crate::error_text;
use crate::field::Value;
use crate::local;

/// Fields that are on the lines logged through it, and on no others.
///
/// ```
/// use obs_logging::{Logger, info};
///
/// let log = Logger::bind("request_id", "abc-123").and("path", "/api/tasks");
/// info!(log; "handling request");              // carries request_id and path
/// info!(log; rows = 4, "db query done");       // so does this
/// ```
#[derive(Clone, Default)]
pub struct Logger(Arc<Fields>);

impl Logger {
    /// A logger without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A logger with this field.
    #[must_use]
    pub fn bind(name: &str, value: impl Value) -> Self {
        Self::default().and(name, value)
    }

    /// The logger with one more field, which replaces an earlier one of this name.
    #[must_use]
    pub fn and(mut self, name: &str, value: impl Value) -> Self {
        error_text::add(Arc::make_mut(&mut self.0), name, |json| value.encode(json));
        self
    }

    /// What the macros hold while they log. It belongs to its thread:
    ///
    /// ```compile_fail,E0277
    /// fn is_send<T: Send>(_: T) {}
    /// is_send(obs_logging::Logger::new().apply());
    /// ```
    #[doc(hidden)]
    pub fn apply(&self) -> impl Drop + use<> {
        apply(self.0.clone())
    }
}

/// Puts the fields on the lines of this thread until it is dropped.
pub(crate) fn apply(fields: Arc<Fields>) -> impl Drop + use<> {
    Applied(local::with(|local| local.bound.replace(Some(fields))), PhantomData)
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logger({})", String::from_utf8_lossy(self.0.as_bytes()))
    }
}

/// Puts the former logger back when dropped.
struct Applied(Option<Arc<Fields>>, PhantomData<*const ()>);

impl Drop for Applied {
    fn drop(&mut self) {
        local::with(|local| local.bound.replace(self.0.take()));
    }
}

macro_rules! level {
    ($name:ident, $level:ident, $d:tt) => {
        #[doc = concat!(
                    "`tracing::", stringify!($name), "!` with the fields of a [`Logger`]: `",
                    stringify!($name), "!(log; key = value, \"event\")`."
                )]
        #[macro_export]
        macro_rules! $name {
                    ($d log:expr; $d($d event:tt)+) => {
                        if $crate::__private::Level::$level <= $crate::__private::STATIC_MAX_LEVEL
                            && $crate::__private::Level::$level
                                <= $crate::__private::LevelFilter::current()
                        {
                            let _applied = $d log.apply();
                            $crate::__private::tracing::$name!($d($d event)+);
                        }
                    };
                }
    };
}

level!(error, ERROR, $);
level!(warn, WARN, $);
level!(info, INFO, $);
level!(debug, DEBUG, $);
level!(trace, TRACE, $);
