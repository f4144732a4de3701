//! From an event and its context to bytes.

mod console;
mod json;

use obs_context::{SpanId, TraceId};
use tracing_core::Level;

use crate::context::fields::{Fields, Key};
use crate::encode::moment::Moment;
use crate::encode::time::Clock;

pub(crate) use console::Console;
pub(crate) use json::Json;

/// The parts of a line; the fields are JSON already.
pub(crate) struct Line<'a> {
    pub(crate) time: Moment,
    pub(crate) level: Level,
    /// What the callsite has ready: see `Callsite::opening`.
    pub(crate) opening: &'a [u8],
    pub(crate) target: &'a str,
    /// Whether `target` is another than that of `opening`.
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
    /// JSON, where lines are that.
    #[inline]
    pub(crate) fn as_json(&self) -> Option<&Json> {
        match self {
            Self::Json(json) => Some(json),
            Self::Console(_) => None,
        }
    }

    /// Whether no name comes twice in the parts and among the line's own.
    pub(crate) fn are_disjoint(&self, line: LineParts, parts: &Parts<'_>) -> bool {
        line.are_disjoint(parts, self.own_keys())
    }

    /// Names that are the line's own, as bits.
    pub(crate) fn names(&self, line: LineParts) -> u128 {
        self.own_keys().mask(line)
    }

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
        if self.are_disjoint(line.has(), parts) {
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
        self.own_keys().of(line.has()).for_each(|key| merged.remove(key));
    }

    fn own_keys(&self) -> &OwnKeys {
        match self {
            Self::Json(json) => &json.own,
            Self::Console(console) => &console.own,
        }
    }
}

/// Names that a line may have besides those that no field has: those of the two ids, and of the
/// message where it is not the usual one. A field of such a name stands only in a line that has no such
/// thing of its own.
pub(crate) struct OwnKeys {
    ids: [Key; 2],
    event: Option<Key>,
}

impl OwnKeys {
    pub(crate) fn new(event_key: &str) -> Self {
        let event = (event_key != "event").then(|| Key::new(event_key));
        Self { ids: [Key::new("trace_id"), Key::new("span_id")], event }
    }

    /// Those that this line has.
    fn of(&self, line: LineParts) -> impl Iterator<Item = &Key> {
        let ids = line.ids.then_some(&self.ids);
        let event = self.event.as_ref().filter(|_| line.message);
        ids.into_iter().flatten().chain(event)
    }

    #[inline]
    fn mask(&self, line: LineParts) -> u128 {
        let ids = if line.ids { self.ids[0].mask() | self.ids[1].mask() } else { 0 };
        ids | self.event.as_ref().map_or(0, Key::mask)
    }
}

/// Which parts a line has besides its fields.
#[derive(Clone, Copy)]
pub(crate) struct LineParts {
    pub(crate) ids: bool,
    pub(crate) message: bool,
}

impl Line<'_> {
    fn has(&self) -> LineParts {
        LineParts { ids: self.ids.is_some(), message: !self.message.is_empty() }
    }
}

impl LineParts {
    /// Whether no name comes twice: bits first, names only where bits coincide.
    #[inline]
    fn are_disjoint(self, parts: &Parts<'_>, own_keys: &OwnKeys) -> bool {
        let [statics, ambient, span, bound, own] = parts.map(Fields::mask);
        let ids = own_keys.mask(self);
        let before_span = ids | statics | ambient;
        let before_own = before_span | span | bound;
        let coincide = (ids & statics)
            | ((ids | statics) & ambient)
            | (before_span & span)
            | ((before_span | span) & bound)
            | (before_own & own);
        coincide == 0 || self.have_other_names(parts, own_keys)
    }

    #[cold]
    fn have_other_names(self, parts: &Parts<'_>, own_keys: &OwnKeys) -> bool {
        !parts.iter().any(|part| own_keys.of(self).any(|key| part.contains(key)))
            && (1..parts.len()).all(|at| parts[..at].iter().all(|outer| !outer.overlaps(parts[at])))
    }
}
