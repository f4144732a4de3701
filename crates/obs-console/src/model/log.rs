//! A log line.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Attributes, Indexed, rfc3339};

/// One log line of one service.
///
/// In JSON its own fields stand beside the named ones; a field that has one of their names becomes
/// `fields.<name>`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// Who wrote it.
    pub service: Arc<str>,
    /// The resource's `service.instance.id`: which one of the service's processes.
    pub instance: Option<Arc<str>>,
    /// When, in nanoseconds of Unix time: when it arrived, where it does not say.
    pub unix_nanos: u64,
    /// Its level as it was written; empty where it says none.
    pub level: Box<str>,
    /// The message.
    pub event: Box<str>,
    /// The module that wrote it; empty where it says none.
    pub target: Box<str>,
    /// The request that it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span that it was written in.
    pub span_id: Option<SpanId>,
    /// The request's id.
    pub request_id: Option<Box<str>>,
    /// Everything else.
    pub fields: Attributes,
}

/// `seq` is its number in a list.
const RESERVED_NAMES: [&str; 10] = [
    "service",
    "service.instance.id",
    "timestamp",
    "level",
    "target",
    "event",
    "trace_id",
    "span_id",
    "request_id",
    "seq",
];

impl Indexed for LogLine {
    fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn bytes(&self) -> usize {
        let id = self.request_id.as_ref().map_or(0, |id| 2 * id.len());
        let text = self.level.len() + self.event.len() + self.target.len() + id;
        size_of::<Self>() + 192 + text + self.fields.bytes()
    }
}

impl Serialize for LogLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("service", &*self.service)?;
        if let Some(instance) = &self.instance {
            map.serialize_entry("service.instance.id", &**instance)?;
        }
        map.serialize_entry("timestamp", &rfc3339(self.unix_nanos))?;
        map.serialize_entry("level", &self.level)?;
        if !self.target.is_empty() {
            map.serialize_entry("target", &self.target)?;
        }
        map.serialize_entry("event", &self.event)?;
        if let Some(id) = &self.trace_id {
            map.serialize_entry("trace_id", &id.to_string())?;
        }
        if let Some(id) = &self.span_id {
            map.serialize_entry("span_id", &id.to_string())?;
        }
        if let Some(id) = &self.request_id {
            map.serialize_entry("request_id", id)?;
        }
        for (key, value) in self.fields.iter() {
            if RESERVED_NAMES.contains(&key) {
                map.serialize_entry(&format!("fields.{key}"), value)?;
            } else {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}
