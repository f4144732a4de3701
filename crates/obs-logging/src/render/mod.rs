//! From an event and its context to bytes.

mod console;
mod json;
mod line;

use crate::context::fields::Fields;
use crate::encode::time::Clock;

pub(crate) use console::Console;
pub(crate) use json::Json;
use line::OwnKeys;
pub(crate) use line::{Line, LineParts, Parts};

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
