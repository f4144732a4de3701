//! An error that a service reported, in Sentry's protocol.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::{Serialize, Serializer};

use super::{Attributes, Indexed, optional_text, rfc3339};

/// One error event of one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorEvent {
    /// Its id: 32 hexadecimal digits, as log lines and spans name it.
    #[serde(serialize_with = "hexadecimal")]
    pub event_id: u128,
    /// Who reported it: the tag `service`, else the server's name.
    pub service: Arc<str>,
    /// When, in nanoseconds of Unix time: when it arrived, where it does not say.
    #[serde(rename = "timestamp", serialize_with = "instant")]
    pub unix_nanos: u64,
    /// `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: Box<str>,
    /// What the code said; empty where only the errors themselves speak.
    pub message: Box<str>,
    /// The error and its causes, the outermost first.
    pub exceptions: Vec<ErrorCause>,
    /// The calls of the application's own code, the innermost first.
    pub frames: Vec<ErrorFrame>,
    /// The request that it belongs to.
    #[serde(serialize_with = "optional_text")]
    pub trace_id: Option<TraceId>,
    /// The span that it happened in.
    #[serde(serialize_with = "optional_text")]
    pub span_id: Option<SpanId>,
    /// The request's id: the tag `request_id`.
    pub request_id: Option<Box<str>>,
    /// What was going on: method and route of a request.
    pub transaction: Option<Box<str>>,
    /// The release of the service.
    pub release: Option<Box<str>>,
    /// Where it runs.
    pub environment: Option<Box<str>>,
    /// Its tags.
    pub tags: Attributes,
    /// What happened before it, the oldest first.
    pub breadcrumbs: Vec<Breadcrumb>,
}

/// An error of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorCause {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// What it says.
    pub value: Box<str>,
}

/// One call of the application's own code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorFrame {
    /// The function.
    pub function: Box<str>,
    /// The source file; empty where it is not known.
    pub file: Box<str>,
    /// The line, from 1.
    pub line: Option<u64>,
}

/// Something that happened before an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breadcrumb {
    /// When, in nanoseconds of Unix time; 0 where it does not say.
    #[serde(rename = "timestamp", serialize_with = "instant")]
    pub unix_nanos: u64,
    /// As the event's; empty where it says none.
    pub level: Box<str>,
    /// What kind of thing: the module that logged it.
    pub category: Box<str>,
    /// What it says.
    pub message: Box<str>,
    /// Its fields.
    pub data: Attributes,
}

impl Indexed for ErrorEvent {
    fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn bytes(&self) -> usize {
        let causes = self
            .exceptions
            .iter()
            .map(|cause| size_of::<ErrorCause>() + 32 + cause.kind.len() + cause.value.len());
        let frames = self
            .frames
            .iter()
            .map(|frame| size_of::<ErrorFrame>() + 32 + frame.function.len() + frame.file.len());
        let breadcrumbs = self.breadcrumbs.iter().map(|crumb| {
            let text = crumb.level.len() + crumb.category.len() + crumb.message.len();
            size_of::<Breadcrumb>() + 48 + text + crumb.data.bytes()
        });
        let optional = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| 16 + text.len());
        let text = self.service.len() + self.level.len() + self.message.len();
        let named = [&self.transaction, &self.release, &self.environment].map(optional);
        size_of::<Self>()
            + 192
            + text
            + 2 * optional(&self.request_id)
            + named.iter().sum::<usize>()
            + self.tags.bytes()
            + causes.chain(frames).chain(breadcrumbs).sum::<usize>()
    }
}

fn hexadecimal<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:032x}"))
}

fn instant<S: Serializer>(unix_nanos: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*unix_nanos))
}
