//! From an event and its context to bytes.

mod console;
mod json;

use std::time::SystemTime;

use obs_context::{SpanId, TraceId};
use tracing_core::Level;

use crate::context::fields::{Fields, Key};
use crate::encode::time::Clock;

pub(crate) use console::Console;
pub(crate) use json::Json;

/// Everything that a line tells, the fields already JSON.
pub(crate) struct Line<'a> {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    /// What the callsite has ready: see `Callsite::head`.
    pub(crate) head: &'a [u8],
    pub(crate) target: &'a str,
    /// Whether `target` is another than that of `head`.
    pub(crate) has_own_target: bool,
    /// A JSON string; empty where there is no message.
    pub(crate) message: &'a [u8],
    pub(crate) ids: Option<(TraceId, SpanId)>,
}

/// The fields of a line: static, of the request, of the spans, of the logger, of the event.
pub(crate) type Parts<'a> = [&'a Fields; 5];

pub(crate) enum Renderer {
    Json(Json),
    Console(Console),
}

impl Renderer {
    /// Appends the line to `out`. Of one name in several parts, the last holds; `merged` is used where
    /// there is such a name.
    #[inline]
    pub(crate) fn render_parts(
        &self,
        line: &Line<'_>,
        parts: &Parts<'_>,
        clock: &Clock,
        merged: &mut Fields,
        out: &mut Vec<u8>,
    ) {
        if line.are_disjoint(parts, self.id_keys()) {
            self.render(line, parts, clock, out);
        } else {
            self.merge(line, parts, merged);
            self.render(line, &[merged], clock, out);
        }
    }

    /// Appends the line to `out`; no name comes twice in the parts.
    #[inline]
    pub(crate) fn render(
        &self,
        line: &Line<'_>,
        parts: &[&Fields],
        clock: &Clock,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Json(json) => json.render(line, parts, clock, out),
            Self::Console(console) => console.render(line, parts, clock, out),
        }
    }

    /// All fields of a line together, each name once.
    pub(crate) fn merge(&self, line: &Line<'_>, parts: &Parts<'_>, merged: &mut Fields) {
        merged.clear();
        parts.iter().for_each(|part| merged.append(part));
        if line.ids.is_some() {
            self.id_keys().0.iter().for_each(|key| merged.remove(key));
        }
    }

    fn id_keys(&self) -> &IdKeys {
        match self {
            Self::Json(json) => &json.ids,
            Self::Console(console) => &console.ids,
        }
    }
}

/// The names of the two ids: a field of such a name stands in a line only where there is no span.
pub(crate) struct IdKeys([Key; 2]);

impl IdKeys {
    pub(crate) fn new() -> Self {
        Self([Key::new("trace_id"), Key::new("span_id")])
    }

    fn mask(&self) -> u128 {
        self.0[0].mask() | self.0[1].mask()
    }
}

impl Line<'_> {
    /// Whether no name comes twice: bits first, names only where bits coincide.
    #[inline]
    fn are_disjoint(&self, parts: &Parts<'_>, id_keys: &IdKeys) -> bool {
        let [statics, ambient, span, bound, own] = parts.map(Fields::mask);
        let ids = if self.ids.is_some() { id_keys.mask() } else { 0 };
        let before_span = ids | statics | ambient;
        let before_own = before_span | span | bound;
        let coincide = (ids & statics)
            | ((ids | statics) & ambient)
            | (before_span & span)
            | ((before_span | span) & bound)
            | (before_own & own);
        coincide == 0 || self.have_other_names(parts, id_keys)
    }

    #[cold]
    fn have_other_names(&self, parts: &Parts<'_>, id_keys: &IdKeys) -> bool {
        let hides_id =
            |part: &Fields| self.ids.is_some() && id_keys.0.iter().any(|key| part.contains(key));
        !parts.iter().any(|part| hides_id(part))
            && (1..parts.len()).all(|at| parts[..at].iter().all(|outer| !outer.overlaps(parts[at])))
    }
}
