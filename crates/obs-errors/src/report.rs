//! The report of one error, as a sink gets it.

use std::fmt;
use std::time::{Duration, SystemTime};

use obs_context::{ActiveSpan, RequestId};

/// The id of one captured error: 32 hexadecimal digits, as Sentry shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorId(pub(crate) u128);

impl ErrorId {
    pub(crate) fn random() -> Self {
        let high = u128::from(obs_context::random_u64());
        Self((high << 64 | u128::from(obs_context::random_u64())).max(1))
    }

    /// The id as a number.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How an error was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A panic, by the hook.
    Panic,
    /// An event of level ERROR.
    Event,
    /// A response of 500 or above whose request reported no error.
    Response,
    /// Handed over by [`capture`](crate::capture).
    Captured,
}

impl Kind {
    /// A word for a field: `panic`, `event`, `response`, `captured`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Event => "event",
            Self::Response => "response",
            Self::Captured => "captured",
        }
    }
}

/// One error, complete.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Its id: log line and span name it, too.
    pub id: ErrorId,
    /// When it happened.
    pub time: SystemTime,
    /// How it was captured.
    pub kind: Kind,
    /// Where the code reported it: `src/orders.rs:42`, or the route of a response.
    pub place: String,
    /// The target of the event, the module of a panic where it is known.
    pub target: String,
    /// What the code said, where that is more than the error itself.
    pub message: String,
    /// The error and its causes, the outermost first.
    pub chain: Vec<Cause>,
    /// The event's other fields, without secrets.
    pub fields: Vec<(String, serde_json::Value)>,
    /// The innermost call first; empty where there is none.
    pub stack: Vec<Frame>,
    /// The span that it happened in.
    pub span: Option<ActiveSpan>,
    /// The spans around it, the outermost first.
    pub spans: Vec<SpanSoFar>,
    /// The id of the request that it belongs to.
    pub request_id: Option<RequestId>,
    /// What the request was.
    pub request: Option<Request>,
    /// What was logged before, in the same request.
    pub breadcrumbs: Vec<Breadcrumb>,
    /// The thread's name.
    pub thread: Option<String>,
    /// Errors of this place that were not reported since the last one that was: its limit was reached.
    pub unreported: u64,
    /// Equal for errors of one issue, in any release.
    pub fingerprint: Vec<String>,
}

/// An error of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its type, as far as that can be known: `Io`, `sqlx::Error`, `panic`.
    pub kind: String,
    /// What it says.
    pub message: String,
}

/// One call of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The function, as people write it: `orders::checkout`.
    pub function: String,
    /// The source file as the compiler saw it.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// From 1.
    pub column: Option<u32>,
    /// Its address in the process.
    pub address: u64,
    /// Whether it is the application's own code, and not that of a library or a runtime.
    pub in_app: bool,
    /// The lines of the source around it, where the source is at hand: before, the line itself, after.
    pub source: Option<Box<Source>>,
}

/// Lines of a source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Up to five lines before.
    pub before: Vec<String>,
    /// The line.
    pub line: String,
    /// Up to five lines after.
    pub after: Vec<String>,
}

/// A span that was open when the error happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanSoFar {
    /// Its name.
    pub name: String,
    /// How long it had lasted by then, where that is known.
    pub duration: Option<Duration>,
}

/// The HTTP request that an error belongs to: never its query, its headers or its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The route template, where one is known.
    pub route: Option<&'static str>,
    /// The response's status, where there was one by then.
    pub status: Option<u16>,
}

/// Something that was logged before the error.
#[derive(Clone, Debug, PartialEq)]
pub struct Breadcrumb {
    /// When.
    pub time: SystemTime,
    /// The event's level.
    pub level: tracing::Level,
    /// The event's target.
    pub target: &'static str,
    /// What it said.
    pub message: String,
    /// Its fields, without secrets.
    pub fields: Vec<(String, serde_json::Value)>,
}
