//! Metric series over time, as changes.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use obs_context::TraceId;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::counters::Counters;
use super::limits::Limits;
use crate::model::{Exemplar, Family, MetricSource, Observation, Series, SeriesKind};

/// Ten minutes of one scrape a second.
const MAX_SCRAPES: usize = 600;
/// Changes that are kept a series: ten minutes of one that changes every second.
const MAX_POINTS: usize = 600;
/// Exemplars that are kept a service.
const MAX_EXEMPLARS: usize = 4_096;
/// What the map takes besides a series' text, and what one point takes.
const SERIES_OVERHEAD_BYTES: usize = 384;
const POINT_BYTES: usize = 16;
/// Families of a service of which more than the name is kept.
const MAX_FAMILIES: usize = 1_024;
const EXEMPLAR_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    scraped: HashMap<Arc<str>, ServiceSeries>,
    pushed: HashMap<Arc<str>, ServiceSeries>,
    size: Size,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    series: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct ServiceSeries {
    series: HashMap<Arc<Series>, History>,
    /// When each scrape began and ended.
    scrapes: VecDeque<(u64, u64)>,
    exemplars: VecDeque<(Arc<Series>, Exemplar)>,
    families: HashMap<Box<str>, Family>,
    /// What this service takes of the size of all.
    bytes: usize,
}

#[derive(Debug, Default)]
struct History {
    /// When a value was first seen, and the value.
    points: VecDeque<(u64, f64)>,
    /// Whether older points were removed.
    shortened: bool,
    last_seen: u64,
    exemplar: Option<Exemplar>,
}

/// One scrape or push of a service while it is stored.
pub(crate) struct ScrapeSession<'a> {
    service: &'a mut ServiceSeries,
    size: &'a mut Size,
    done: u64,
    swept: bool,
}

/// How one series moved while a request ran.
///
/// `before` and `after` are what the last look that ended before the request and the first that began
/// after it saw: other requests between the two moved the series too.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which service's series.
    pub service: Arc<str>,
    /// The metric family.
    pub family: Box<str>,
    /// The series' own name.
    pub name: Box<str>,
    /// Its labels.
    #[serde(serialize_with = "label_map")]
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Whether it only grows.
    pub kind: SeriesKind,
    /// Its value before the request: `None` where it is no longer or was never known.
    pub before: Option<f64>,
    /// Its value after the request: `None` where nobody has looked since.
    pub after: Option<f64>,
    /// By how much it moved. A counter that was reset in between counts from zero.
    pub delta: Option<f64>,
    /// The exemplar that names this request.
    pub exemplar: Option<Exemplar>,
}

impl Metrics {
    pub(crate) fn begin_scrape(
        &mut self,
        service: &str,
        source: MetricSource,
        (started, done): (u64, u64),
        limits: &Limits,
    ) -> Option<ScrapeSession<'_>> {
        let services = match source {
            MetricSource::Scrape => &mut self.scraped,
            MetricSource::Push => &mut self.pushed,
        };
        if !services.contains_key(service) {
            if services.len() >= limits.services {
                return None;
            }
            services.insert(service.into(), ServiceSeries::default());
        }
        let service = services.get_mut(service)?;
        push_bounded(&mut service.scrapes, (started, done), MAX_SCRAPES);
        Some(ScrapeSession { service, size: &mut self.size, done, swept: false })
    }

    /// Keeps the descriptions of a service's families, up to the limit; further ones have only their name.
    pub(crate) fn describe(
        &mut self,
        service: &str,
        source: MetricSource,
        families: Vec<Family>,
        limits: &Limits,
    ) {
        let services = match source {
            MetricSource::Scrape => &mut self.scraped,
            MetricSource::Push => &mut self.pushed,
        };
        let Some(service) = services.get_mut(service) else { return };
        for family in families {
            let former = service.families.get(&family.name);
            if former == Some(&family) {
                continue;
            }
            let freed = former.map_or(0, Family::bytes);
            let bytes = family.bytes();
            let has_room = former.is_some() || service.families.len() < MAX_FAMILIES;
            let grown = (service.bytes + bytes).saturating_sub(freed);
            let all = (self.size.bytes + bytes).saturating_sub(freed);
            if has_room && grown <= limits.series_bytes.div_ceil(2) && all <= limits.series_bytes {
                service.families.insert(family.name.clone(), family);
                (service.bytes, self.size.bytes) = (grown, all);
            }
        }
    }

    /// The services with their series: of one that is scraped those, since what it pushes is the same again under
    /// other names.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (&Arc<str>, &ServiceSeries)> {
        let is_scraped = |name: &Arc<str>| {
            self.scraped.get(name).is_some_and(|scraped| !scraped.series.is_empty())
        };
        self.scraped.iter().chain(self.pushed.iter().filter(move |(name, _)| !is_scraped(name)))
    }

    /// Every series that `moved_by` recognises, and every series with an exemplar of this trace.
    pub(crate) fn changes(
        &self,
        trace_id: TraceId,
        (start, end): (u64, u64),
        moved_by: impl Fn(&str, &Series) -> bool,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, service) in self.scraped.iter().chain(&self.pushed) {
            let mut exemplars: HashMap<&Arc<Series>, Exemplar> = HashMap::new();
            for (series, exemplar) in &service.exemplars {
                if exemplar.trace_id == trace_id {
                    exemplars.insert(series, *exemplar);
                }
            }
            for (series, history) in &service.series {
                let exemplar = exemplars.get(series).copied();
                if exemplar.is_none() && !moved_by(name, series) {
                    continue;
                }
                let change = service.change(name, series, history, (start, end), exemplar);
                if exemplar.is_some() || !is_idle_bucket(&change) {
                    changes.push(change);
                }
            }
        }
        changes.sort_by(|one, other| {
            (&one.service, &one.name, &one.labels).cmp(&(
                &other.service,
                &other.name,
                &other.labels,
            ))
        });
        changes
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.scraped.keys().chain(self.pushed.keys())
    }

    /// Series, bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.size.series, self.size.bytes)
    }
}

impl ScrapeSession<'_> {
    pub(crate) fn add(
        &mut self,
        observation: Observation,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Result<(), &'static str> {
        let Observation { series, value, is_delta, exemplar } = observation;
        let known = self.service.series.get_key_value(&series).map(|(known, _)| Arc::clone(known));
        let series = match known {
            Some(series) => series,
            None => self.add_series(series, limits, counters)?,
        };
        let history = self.service.series.entry(Arc::clone(&series)).or_default();
        let former = history.points.back().map(|(_, value)| *value);
        let value = if is_delta { former.unwrap_or(0.0) + value } else { value };
        history.last_seen = self.done;
        let mut grown = 0;
        if former.is_none_or(|former| former.to_bits() != value.to_bits()) {
            history.points.push_back((self.done, value));
            let is_full = self.size.bytes + POINT_BYTES > limits.series_bytes
                || self.service.bytes + POINT_BYTES > limits.series_bytes.div_ceil(2);
            if history.points.len() > MAX_POINTS || (history.points.len() > 1 && is_full) {
                history.points.pop_front();
                history.shortened = true;
            } else {
                grown += POINT_BYTES;
            }
        }
        if let Some(exemplar) = exemplar
            && history.exemplar != Some(exemplar)
        {
            history.exemplar = Some(exemplar);
            if self.service.exemplars.len() < MAX_EXEMPLARS {
                grown += EXEMPLAR_BYTES;
            }
            push_bounded(&mut self.service.exemplars, (series, exemplar), MAX_EXEMPLARS);
        }
        self.grow(grown);
        Ok(())
    }

    fn grow(&mut self, bytes: usize) {
        self.size.bytes += bytes;
        self.service.bytes += bytes;
    }

    /// Adds a new series. Where a limit is reached, first removes the series that the service no longer sends.
    fn add_series(
        &mut self,
        series: Series,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Result<Arc<Series>, &'static str> {
        let bytes = series.bytes() + SERIES_OVERHEAD_BYTES;
        if self.limit_reached(bytes, limits).is_some() && !mem::replace(&mut self.swept, true) {
            counters.series_evicted += self.sweep();
        }
        if let Some(reason) = self.limit_reached(bytes, limits) {
            return Err(reason);
        }
        self.size.series += 1;
        self.grow(bytes);
        Ok(Arc::new(series))
    }

    /// Which limit has no room for a new series of this size. One service may take half of everything: a
    /// huge target leaves the others room.
    fn limit_reached(&self, bytes: usize, limits: &Limits) -> Option<&'static str> {
        let bytes = bytes + POINT_BYTES;
        if self.size.series >= limits.series {
            Some("more metric series than the console keeps: raise Limits::series")
        } else if self.size.bytes + bytes > limits.series_bytes {
            Some("more bytes of metric series than the console keeps: raise Limits::series_bytes")
        } else if self.service.series.len() >= limits.series.div_ceil(2) {
            Some(
                "one service has more than half of the metric series that the console keeps: raise Limits::series",
            )
        } else if self.service.bytes + bytes > limits.series_bytes.div_ceil(2) {
            Some(
                "one service has more than half of the bytes of series that the console keeps: raise Limits::series_bytes",
            )
        } else {
            None
        }
    }

    /// Removes the series that neither this scrape nor the last one had, with their
    /// exemplars.
    fn sweep(&mut self) -> u64 {
        let former = self.service.scrapes.iter().rev().nth(1).map_or(0, |(_, done)| *done);
        let (mut removed, mut bytes) = (0, 0);
        self.service.series.retain(|series, history| {
            let keep = history.last_seen >= former;
            if !keep {
                removed += 1;
                bytes +=
                    series.bytes() + SERIES_OVERHEAD_BYTES + history.points.len() * POINT_BYTES;
            }
            keep
        });
        let (series, exemplars) = (&self.service.series, &mut self.service.exemplars);
        let before = exemplars.len();
        exemplars.retain(|(of, _)| series.contains_key(of));
        bytes += (before - exemplars.len()) * EXEMPLAR_BYTES;
        self.size.series -= removed;
        self.size.bytes = self.size.bytes.saturating_sub(bytes);
        self.service.bytes = self.service.bytes.saturating_sub(bytes);
        removed as u64
    }
}

impl ServiceSeries {
    fn change(
        &self,
        service: &Arc<str>,
        series: &Arc<Series>,
        history: &History,
        (start, end): (u64, u64),
        exemplar: Option<Exemplar>,
    ) -> Change {
        let last_before = self.scrapes.iter().rev().find(|(_, done)| *done <= start);
        let first_after = self.scrapes.iter().find(|(started, _)| *started >= end);
        let before = last_before.and_then(|(_, done)| history.at(*done, series.kind));
        let after = first_after.and_then(|(_, done)| history.at(*done, series.kind));
        let delta = before.zip(after).map(|(before, after)| match series.kind {
            SeriesKind::Counter if after < before => after,
            _ => after - before,
        });
        Change {
            service: Arc::clone(service),
            family: series.family.clone(),
            name: series.name.clone(),
            labels: series.labels.clone(),
            kind: series.kind,
            before,
            after,
            delta,
            exemplar,
        }
    }
}

impl ServiceSeries {
    /// Each series, its changes as times in nanoseconds of Unix time and values, and when it was last seen.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<Series>, &VecDeque<(u64, f64)>, u64)> {
        self.series.iter().map(|(series, history)| (series, &history.points, history.last_seen))
    }

    /// The exemplars that are kept, the newest last.
    pub(crate) fn exemplars(&self) -> impl Iterator<Item = (&Arc<Series>, &Exemplar)> {
        self.exemplars.iter().map(|(series, exemplar)| (series, exemplar))
    }

    /// What was told of the family of this name.
    pub(crate) fn family(&self, name: &str) -> Option<&Family> {
        self.families.get(name)
    }
}

impl History {
    /// The value at the time of a scrape. A counter that was not there yet counts as zero.
    fn at(&self, unix_nanos: u64, kind: SeriesKind) -> Option<f64> {
        match self.points.iter().rev().find(|(since, _)| *since <= unix_nanos) {
            Some((_, value)) => Some(*value),
            None if !self.shortened && kind == SeriesKind::Counter => Some(0.0),
            None => None,
        }
    }
}

/// Most of a histogram's buckets say nothing of one request.
fn is_idle_bucket(change: &Change) -> bool {
    change.name.ends_with("_bucket") && change.delta.is_none_or(|delta| delta == 0.0)
}

fn push_bounded<T>(ring: &mut VecDeque<T>, value: T, capacity: usize) {
    ring.push_back(value);
    if ring.len() > capacity {
        ring.pop_front();
    }
}

pub(crate) fn label_map<S: Serializer>(
    labels: &[(Box<str>, Box<str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(labels.len()))?;
    for (name, value) in labels {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
