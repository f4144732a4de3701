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
    /// From the outermost to the event's own: of one name, the last holds.
    pub(crate) parts: [&'a Fields; 5],
}

pub(crate) enum Renderer {
    Json(Json),
    Console(Console),
}

impl Renderer {
    /// Appends the line to `out`. `merged` is used where the parts cannot simply stand one after
    /// another; with `is_merged` it holds all fields already.
    #[inline]
    pub(crate) fn render(
        &self,
        line: &Line<'_>,
        clock: &Clock,
        (merged, is_merged): (&mut Fields, bool),
        out: &mut Vec<u8>,
    ) {
        let is_disjoint = !is_merged && line.parts_are_disjoint(self.id_keys());
        if !is_merged && !is_disjoint {
            line.merge(self.id_keys(), merged);
        }
        let one = [&*merged];
        let parts = if is_disjoint { &line.parts[..] } else { &one[..] };
        match self {
            Self::Json(json) => json.render(line, parts, clock, out),
            Self::Console(console) => console.render(line, parts, clock, out),
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
    fn parts_are_disjoint(&self, id_keys: &IdKeys) -> bool {
        let [statics, ambient, span, bound, own] = self.parts.map(Fields::mask);
        let ids = if self.ids.is_some() { id_keys.mask() } else { 0 };
        let before_span = ids | statics | ambient;
        let before_own = before_span | span | bound;
        let coincide = (ids & statics)
            | ((ids | statics) & ambient)
            | (before_span & span)
            | ((before_span | span) & bound)
            | (before_own & own);
        coincide == 0 || self.names_are_disjoint(id_keys)
    }

    fn names_are_disjoint(&self, ids: &IdKeys) -> bool {
        let with_ids = self.ids.is_some();
        let hides_id = |part: &Fields| with_ids && ids.0.iter().any(|key| part.contains(key));
        let parts = &self.parts;
        !parts.iter().any(|part| hides_id(part))
            && (1..parts.len()).all(|at| parts[..at].iter().all(|outer| !outer.overlaps(parts[at])))
    }

    /// All fields together, each name once.
    pub(crate) fn merge(&self, ids: &IdKeys, merged: &mut Fields) {
        merged.clear();
        for part in self.parts {
            merged.append(part);
        }
        if self.ids.is_some() {
            ids.0.iter().for_each(|key| merged.remove(key));
        }
    }
}
