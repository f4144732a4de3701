//! Log lines and error events of all requests, filtered and paged.

use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::Serialize;

use super::bad_filter::BadFilter;
use super::filter::{attribute, limit, milliseconds, number};
use super::search::{AttributeFilter, Needle};
use crate::model::{ErrorEvent, LogLine};
use crate::state::State;

/// Which log lines [`Store::lines`](crate::Store::lines) lists; the last 100 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct LineFilter {
    /// Those with this text in the message, the target, a field or an id.
    pub q: Option<Needle>,
    /// Those of at least this level.
    pub level: Option<Level>,
    /// Those of this service.
    pub service: Option<String>,
    /// Those of this instance of it.
    pub instance: Option<String>,
    /// Those of this trace.
    pub trace_id: Option<TraceId>,
    /// Those of this span.
    pub span_id: Option<SpanId>,
    /// Those of this request.
    pub request_id: Option<String>,
    /// Those that have all of these fields.
    pub attributes: Vec<AttributeFilter>,
    /// Those of then or later, in milliseconds of Unix time.
    pub from_ms: Option<f64>,
    /// Those of then or earlier.
    pub to_ms: Option<f64>,
    /// Those that arrived before the one of this `seq`: the last of them.
    pub before: Option<u64>,
    /// Those that arrived after the one of this `seq`: the first of them.
    pub after: Option<u64>,
    /// At most so many, 1 to 1,000; 100 by default.
    pub limit: usize,
}

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `trace`.
    Trace,
    /// `debug`.
    Debug,
    /// `info`, and what is neither of the others.
    Info,
    /// `warn`.
    Warn,
    /// `error`.
    Error,
    /// `fatal`, `critical` and the like.
    Fatal,
}

/// Which error events [`Store::error_list`](crate::Store::error_list) lists; the last 100 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorFilter {
    /// Those with this text in the message, an error of the chain, a frame, a tag or an id.
    pub q: Option<Needle>,
    /// Those of this service.
    pub service: Option<String>,
    /// Those of this trace.
    pub trace_id: Option<TraceId>,
    /// At most so many, 1 to 1,000; 100 by default.
    pub limit: usize,
}

/// A thing and its number in the order of arrival.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbered<T> {
    /// Its number; numbers are never used again.
    pub seq: u64,
    /// The thing.
    #[serde(flatten)]
    pub item: Arc<T>,
}

/// A part of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinePage {
    /// The lines, the newest last.
    pub lines: Vec<Numbered<LogLine>>,
    /// Whether more lines pass the filter in the direction that was asked for.
    pub matched_more: bool,
    /// The number of the oldest line that is kept, whether it passes or not.
    pub oldest_seq: Option<u64>,
    /// The number of the newest line.
    pub newest_seq: Option<u64>,
    /// How many lines have gone.
    pub evicted: u64,
}

impl Default for LineFilter {
    fn default() -> Self {
        Self {
            q: None,
            level: None,
            service: None,
            instance: None,
            trace_id: None,
            span_id: None,
            request_id: None,
            attributes: Vec::new(),
            from_ms: None,
            to_ms: None,
            before: None,
            after: None,
            limit: 100,
        }
    }
}

impl Default for ErrorFilter {
    fn default() -> Self {
        Self { q: None, service: None, trace_id: None, limit: 100 }
    }
}

const BAD_TRACE: BadFilter =
    BadFilter("trace_id is none: give 32 lower-case hexadecimal digits, not all 0");
const BAD_SPAN: BadFilter =
    BadFilter("span_id is none: give 16 lower-case hexadecimal digits, not all 0");

impl LineFilter {
    /// Sets what `name=value` of a query string means; an empty value means no wish, and a name that
    /// is no filter's is `Ok(false)`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, BadFilter> {
        match name {
            "q" | "level" | "service" | "instance" | "trace_id" | "span_id" | "request_id"
            | "attr" | "from_ms" | "to_ms" | "before" | "after" | "limit"
                if value.is_empty() => {}
            "q" => self.q = Some(Needle::new(value)?),
            "level" => {
                self.level = Some(Level::named(value).ok_or(BadFilter(
                    "level is unknown: give trace, debug, info, warn, error or fatal",
                ))?);
            }
            "service" => self.service = Some(value.into()),
            "instance" => self.instance = Some(value.into()),
            "trace_id" => self.trace_id = Some(value.parse().map_err(|_| BAD_TRACE)?),
            "span_id" => self.span_id = Some(value.parse().map_err(|_| BAD_SPAN)?),
            "request_id" => self.request_id = Some(value.into()),
            "attr" => attribute(&mut self.attributes, value)?,
            "from_ms" => self.from_ms = Some(milliseconds(value)?),
            "to_ms" => self.to_ms = Some(milliseconds(value)?),
            "before" => self.before = Some(number(value)?),
            "after" => self.after = Some(number(value)?),
            "limit" => self.limit = limit(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn accepts(&self, line: &LogLine) -> bool {
        self.level.is_none_or(|least| Level::from_text(&line.level) >= least)
            && self.service.as_deref().is_none_or(|name| *line.service == *name)
            && self.instance.as_deref().is_none_or(|id| line.instance.as_deref() == Some(id))
            && self.trace_id.is_none_or(|id| line.trace_id == Some(id))
            && self.span_id.is_none_or(|id| line.span_id == Some(id))
            && self.request_id.as_deref().is_none_or(|id| line.request_id.as_deref() == Some(id))
            && self.from_ms.is_none_or(|from| line.unix_nanos as f64 / 1e6 >= from)
            && self.to_ms.is_none_or(|to| line.unix_nanos as f64 / 1e6 <= to)
            && self.attributes.iter().all(|wanted| wanted.accepts(&line.fields))
            && self.q.as_ref().is_none_or(|q| q.is_in_line(line))
    }
}

impl ErrorFilter {
    /// As [`LineFilter::set`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, BadFilter> {
        match name {
            "q" | "service" | "trace_id" | "limit" if value.is_empty() => {}
            "q" => self.q = Some(Needle::new(value)?),
            "service" => self.service = Some(value.into()),
            "trace_id" => self.trace_id = Some(value.parse().map_err(|_| BAD_TRACE)?),
            "limit" => self.limit = limit(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn accepts(&self, event: &ErrorEvent) -> bool {
        self.service.as_deref().is_none_or(|name| *event.service == *name)
            && self.trace_id.is_none_or(|id| event.trace_id == Some(id))
            && self.q.as_ref().is_none_or(|q| q.is_in_error(event))
    }
}

impl Level {
    /// The level of a line that was written so: loggers name them in many ways.
    fn from_text(written: &str) -> Self {
        Self::named(written).unwrap_or(Self::Info)
    }

    fn named(text: &str) -> Option<Self> {
        const NAMES: [(Level, &[&str]); 6] = [
            (Level::Info, &["info", "information", "notice", "i", "inf"]),
            (Level::Debug, &["debug", "d", "dbg", "verbose"]),
            (Level::Warn, &["warn", "warning", "w", "wrn"]),
            (Level::Error, &["error", "err", "e"]),
            (Level::Trace, &["trace", "t", "trc"]),
            (Level::Fatal, &["fatal", "critical", "crit", "panic", "alert", "emergency", "emerg"]),
        ];
        // OpenTelemetry numbers the steps within a level: INFO2.
        let name = text.trim_end_matches(|last: char| matches!(last, '2'..='4'));
        let named = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        NAMES.iter().find(|(_, names)| named(names)).map(|(level, _)| *level)
    }
}

/// Reads the next `batch` lines and adds those that pass. Returns where to continue, or `None` when the
/// page is complete. `from` is where the former batch ended.
pub(crate) fn lines(
    state: &State,
    filter: &LineFilter,
    from: Option<u64>,
    batch: usize,
    page: &mut LinePage,
) -> Option<u64> {
    (page.oldest_seq, page.newest_seq) = state.logs.seq_range().unzip();
    page.evicted = state.counters.logs_evicted;
    let mut last = None;
    let mut take = |page: &mut LinePage, seq, line: &Arc<LogLine>| {
        last = Some(seq);
        if filter.accepts(line) {
            if page.lines.len() >= filter.limit {
                page.matched_more = true;
                return true;
            }
            page.lines.push(Numbered { seq, item: Arc::clone(line) });
        }
        false
    };
    let is_full = match filter.after {
        Some(after) => {
            let mut items = state.logs.after(from.unwrap_or(after)).take(batch);
            items.any(|(seq, line)| take(page, seq, line))
        }
        None => {
            let before = from.or(filter.before).unwrap_or(u64::MAX);
            let mut items = state.logs.before(before).take(batch);
            items.any(|(seq, line)| take(page, seq, line))
        }
    };
    last.filter(|_| !is_full)
}

/// The error events that pass, the newest first.
pub(crate) fn errors(state: &State, filter: &ErrorFilter) -> Vec<Numbered<ErrorEvent>> {
    let numbered = state.errors.before(u64::MAX);
    let wanted = numbered.filter(|(_, event)| filter.accepts(event));
    let items = wanted.map(|(seq, event)| Numbered { seq, item: Arc::clone(event) });
    items.take(filter.limit).collect()
}
