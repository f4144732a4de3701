//! Filters of requests.

use super::bad_filter::BadFilter;
use super::search::{AttributeFilter, Needle};

/// The most items that one answer lists.
pub(super) const MAX_ITEMS: usize = 1_000;
/// The most attributes that one question asks for.
pub(super) const MAX_ATTRIBUTES: usize = 16;

/// Which requests [`Store::requests`](crate::Store::requests) lists; all of them by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Those with this text in a name, an id, an attribute's value, a log line or an error.
    pub q: Option<Needle>,
    /// Those that passed this service.
    pub service: Option<String>,
    /// Those that passed this instance of a service.
    pub instance: Option<String>,
    /// Those with a server span of this route template.
    pub route: Option<String>,
    /// Those that ended so.
    pub status: Option<StatusFilter>,
    /// Those with a span that has this attribute; of several, each on some span.
    pub attributes: Vec<AttributeFilter>,
    /// Those in which a span failed, or none did.
    pub error: Option<bool>,
    /// Those that took at least so many milliseconds.
    pub min_ms: Option<f64>,
    /// Those that took at most so many milliseconds.
    pub max_ms: Option<f64>,
    /// Those that began then or later, in milliseconds of Unix time.
    pub from_ms: Option<f64>,
    /// Those that began then or earlier.
    pub to_ms: Option<f64>,
    /// Those that arrived before the one of this `seq`.
    pub before: Option<u64>,
    /// At most so many, 1 to 1,000; 100 by default.
    pub limit: usize,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// With this HTTP status code.
    Code(u64),
    /// With an HTTP status code of this hundred: 5 for `5xx`.
    Class(u64),
    /// With an error anywhere in it.
    Error,
    /// Without an error.
    Ok,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            q: None,
            service: None,
            instance: None,
            route: None,
            status: None,
            attributes: Vec::new(),
            error: None,
            min_ms: None,
            max_ms: None,
            from_ms: None,
            to_ms: None,
            before: None,
            limit: 100,
        }
    }
}

impl Filter {
    /// Sets what `name=value` of a query string means; an empty value means no wish, and a name that
    /// is no filter's is `Ok(false)`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, BadFilter> {
        match name {
            "q" | "service" | "instance" | "route" | "status" | "attr" | "error" | "min_ms"
            | "max_ms" | "from_ms" | "to_ms" | "before" | "limit"
                if value.is_empty() => {}
            "q" => self.q = Some(Needle::new(value)?),
            "service" => self.service = Some(value.into()),
            "instance" => self.instance = Some(value.into()),
            "route" => self.route = Some(value.into()),
            "status" => self.status = Some(StatusFilter::parse(value)?),
            "attr" => attribute(&mut self.attributes, value)?,
            "error" => {
                self.error =
                    Some(value.parse().map_err(|_| BadFilter("error is not true or false"))?);
            }
            "min_ms" => self.min_ms = Some(milliseconds(value)?),
            "max_ms" => self.max_ms = Some(milliseconds(value)?),
            "from_ms" => self.from_ms = Some(milliseconds(value)?),
            "to_ms" => self.to_ms = Some(milliseconds(value)?),
            "before" => self.before = Some(number(value)?),
            "limit" => self.limit = limit(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

pub(super) fn attribute(
    attributes: &mut Vec<AttributeFilter>,
    value: &str,
) -> Result<(), BadFilter> {
    if attributes.len() >= MAX_ATTRIBUTES {
        return Err(BadFilter("attr comes too often: give at most 16"));
    }
    attributes.push(AttributeFilter::parse(value)?);
    Ok(())
}

pub(super) fn milliseconds(value: &str) -> Result<f64, BadFilter> {
    let parsed = value.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
    parsed.ok_or(BadFilter(
        "min_ms, max_ms, from_ms or to_ms is no number of milliseconds: give 0 or more",
    ))
}

pub(super) fn number(value: &str) -> Result<u64, BadFilter> {
    value.parse().map_err(|_| BadFilter("before or after is no number: give a seq of an answer"))
}

pub(super) fn limit(value: &str) -> Result<usize, BadFilter> {
    let parsed = value.parse().ok().filter(|limit| (1..=MAX_ITEMS).contains(limit));
    parsed.ok_or(BadFilter("limit is out of range: give 1 to 1000"))
}

impl StatusFilter {
    fn parse(text: &str) -> Result<Self, BadFilter> {
        const BAD: BadFilter =
            BadFilter("status is not understood: give a code (404), a class (5xx), error or ok");
        match text.as_bytes() {
            b"error" => Ok(Self::Error),
            b"ok" => Ok(Self::Ok),
            [class @ b'1'..=b'5', b'x', b'x'] => Ok(Self::Class(u64::from(class - b'0'))),
            [b'1'..=b'9', _, _] => text.parse().map(Self::Code).map_err(|_| BAD),
            _ => Err(BAD),
        }
    }
}
