//! The parts of a line, and the names that it has for itself.

use obs_context::{SpanId, TraceId};
use tracing_core::Level;

use crate::context::fields::{Fields, Key};
use crate::encode::moment::Moment;

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
    pub(super) fn of(&self, line: LineParts) -> impl Iterator<Item = &Key> {
        let ids = line.ids.then_some(&self.ids);
        let event = self.event.as_ref().filter(|_| line.message);
        ids.into_iter().flatten().chain(event)
    }

    #[inline]
    pub(super) fn mask(&self, line: LineParts) -> u128 {
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
    pub(super) fn has(&self) -> LineParts {
        LineParts { ids: self.ids.is_some(), message: !self.message.is_empty() }
    }
}

impl LineParts {
    /// Whether no name comes twice: bits first, names only where bits coincide.
    #[inline]
    pub(super) fn are_disjoint(self, parts: &Parts<'_>, own_keys: &OwnKeys) -> bool {
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
