//! Where errors come from: how often, since when, in which traces; and how many of one place are reported.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;
use obs_context::TraceId;
use obs_guard::source_path;
use serde_json::json;

use crate::report::{ErrorId, Kind};

/// Places with a count of their own; further ones share `<other>`.
const MAX_PLACES: usize = 1024;
/// Error types with a count of their own; further ones share `<other>`.
const MAX_TYPES: usize = 100;
/// The last traces of a place.
const MAX_TRACES: usize = 5;
const OTHER: &str = "<other>";

/// How many errors of one place are reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit {
    /// At once.
    pub(crate) burst: u32,
    /// The time after which one more may be.
    pub(crate) interval: Duration,
}

/// A place in the code, or a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlaceKey {
    pub(crate) kind: Kind,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

impl PlaceKey {
    const OTHER: Self = Self { kind: Kind::Captured, file: OTHER, line: 0 };

    /// `src/orders.rs:42`, or a route.
    pub(crate) fn text(&self) -> String {
        let file = match self.kind {
            Kind::Response => self.file,
            _ => source_path(self.file),
        };
        match self.line {
            0 => file.to_owned(),
            line => format!("{file}:{line}"),
        }
    }
}

#[derive(Debug)]
struct Place {
    error_type: String,
    message: String,
    count: u64,
    reported: u64,
    unreported: u64,
    first: SystemTime,
    last: SystemTime,
    last_id: Option<ErrorId>,
    traces: Vec<TraceId>,
    tokens: u32,
    refilled: Instant,
}

/// Every place with an error since the process began.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Mutex<HashMap<PlaceKey, Place>>,
    types: Mutex<HashMap<String, u64>>,
}

/// How a place shows its last error.
pub(crate) struct ErrorSummary<'a> {
    pub(crate) error_type: &'a str,
    pub(crate) message: &'a str,
    pub(crate) trace: Option<TraceId>,
}

impl Places {
    /// Counts an error. Returns how many of its place went unreported before, where this one may be
    /// reported.
    pub(crate) fn count(
        &self,
        key: PlaceKey,
        summary: &ErrorSummary<'_>,
        limit: RateLimit,
    ) -> Option<u64> {
        self.count_type(summary.error_type);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if places.len() < MAX_PLACES || places.contains_key(&key) {
            key
        } else {
            PlaceKey::OTHER
        };
        let (now, time) = (Instant::now(), SystemTime::now());
        let place = places.entry(key).or_insert_with(|| Place {
            error_type: String::new(),
            message: String::new(),
            count: 0,
            reported: 0,
            unreported: 0,
            first: time,
            last: time,
            last_id: None,
            traces: Vec::new(),
            tokens: limit.burst,
            refilled: now,
        });
        place.count += 1;
        place.last = time;
        if place.message != summary.message {
            summary.error_type.clone_into(&mut place.error_type);
            summary.message.clone_into(&mut place.message);
        }
        if let Some(trace) = summary.trace.filter(|trace| !place.traces.contains(trace)) {
            if place.traces.len() == MAX_TRACES {
                place.traces.remove(0);
            }
            place.traces.push(trace);
        }
        place.refill(now, limit);
        if place.tokens == 0 {
            place.unreported += 1;
            return None;
        }
        place.tokens -= 1;
        place.reported += 1;
        Some(std::mem::take(&mut place.unreported))
    }

    /// Notes the id of the place's last reported error.
    pub(crate) fn reported(&self, key: PlaceKey, id: ErrorId) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if places.contains_key(&key) { key } else { PlaceKey::OTHER };
        if let Some(place) = places.get_mut(&key) {
            place.last_id = Some(id);
        }
    }

    fn count_type(&self, name: &str) {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = types.get_mut(name) {
            *count += 1;
        } else {
            let name = if types.len() < MAX_TYPES { name } else { OTHER };
            *types.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// How many errors there were of each type.
    pub(crate) fn types(&self) -> Vec<(String, u64)> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let mut types: Vec<_> = types.iter().map(|(name, count)| (name.clone(), *count)).collect();
        types.sort();
        types
    }

    /// All places, the one with the latest error first.
    pub(crate) fn json(&self) -> serde_json::Value {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<_> = places.iter().collect();
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.last));
        let places = places.into_iter().map(|(key, place)| {
            json!({
                "place": key.text(),
                "kind": key.kind.as_str(),
                "type": place.error_type,
                "message": place.message,
                "count": place.count,
                "reported": place.reported,
                "first_seen": rfc3339(place.first),
                "last_seen": rfc3339(place.last),
                "last_error_id": place.last_id.map(|id| id.to_string()),
                "trace_ids": place.traces.iter().rev().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        places.collect()
    }
}

impl Place {
    fn refill(&mut self, now: Instant, limit: RateLimit) {
        let interval = limit.interval.max(Duration::from_millis(1));
        let due = now.duration_since(self.refilled).as_nanos() / interval.as_nanos();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due > 0 {
            self.tokens = self.tokens.saturating_add(due).min(limit.burst);
            self.refilled = now;
        }
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
