//! Which requests are wanted.

use std::fmt;

use super::RequestSummary;

/// The most requests that one answer lists.
const MOST: usize = 1_000;

/// Which requests [`Store::requests`](crate::Store::requests) lists; all of them by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Those with a server span of this route template.
    pub route: Option<String>,
    /// Those that ended so.
    pub status: Option<StatusFilter>,
    /// Those that took at least so many milliseconds.
    pub min_ms: Option<f64>,
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

/// A filter that cannot be understood.
#[derive(Clone, PartialEq, Eq)]
pub struct BadFilter(&'static str);

impl Default for Filter {
    fn default() -> Self {
        Self { route: None, status: None, min_ms: None, limit: 100 }
    }
}

impl Filter {
    /// Sets what `name=value` of a query string means; an empty value means no wish, and a name that
    /// is no filter's is `Ok(false)`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, BadFilter> {
        match name {
            "route" | "status" | "min_ms" | "limit" if value.is_empty() => {}
            "route" => self.route = Some(value.into()),
            "status" => self.status = Some(StatusFilter::parse(value)?),
            "min_ms" => {
                let parsed = value.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
                self.min_ms = Some(
                    parsed
                        .ok_or(BadFilter("min_ms is no number of milliseconds: give 0 or more"))?,
                );
            }
            "limit" => {
                let parsed = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                self.limit = parsed.ok_or(BadFilter("limit is out of range: give 1 to 1000"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn accepts(&self, summary: &RequestSummary) -> bool {
        let status = summary.status;
        let status_fits = match self.status {
            None => true,
            Some(StatusFilter::Code(code)) => status == Some(code),
            Some(StatusFilter::Class(class)) => status.is_some_and(|code| code / 100 == class),
            Some(StatusFilter::Error) => summary.error,
            Some(StatusFilter::Ok) => !summary.error,
        };
        status_fits && self.min_ms.is_none_or(|least| summary.duration_ms >= least)
    }
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

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadFilter {}
