//! Metric families and their series over time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use obs_context::{SpanId, TraceId};
use serde::Serialize;

use super::bad_filter::BadFilter;
use super::summary::milliseconds;
use crate::model::{FamilyKind, Series, SeriesKind, as_text, optional_text};
use crate::state::{State, label_map};

/// Series that one answer has at most.
const MAX_ITEMS: usize = 1_000;
/// Exemplars that a series has at most, the newest.
const MAX_EXEMPLARS: usize = 64;

/// A metric family of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilySummary {
    /// Which service's.
    pub service: Arc<str>,
    /// Its name.
    pub family: Box<str>,
    /// Its kind: as it is told, else as its series look.
    pub kind: FamilyKind,
    /// The unit of its values; empty where none is told.
    pub unit: Box<str>,
    /// What it measures; empty where nothing is told.
    pub help: Box<str>,
    /// How many series there are.
    pub series: usize,
}

/// The course of one series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeSeries {
    /// Which service's.
    pub service: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its labels.
    #[serde(serialize_with = "label_map")]
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Whether it only grows.
    pub kind: SeriesKind,
    /// Milliseconds of Unix time and the value: each change, and when it was last seen.
    pub points: Vec<(f64, f64)>,
    /// Its newest exemplars, the newest last.
    pub exemplars: Vec<PlottedExemplar>,
}

/// A measurement with the trace that it was made in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlottedExemplar {
    /// The trace.
    #[serde(serialize_with = "as_text")]
    pub trace_id: TraceId,
    /// The span in it.
    #[serde(serialize_with = "optional_text")]
    pub span_id: Option<SpanId>,
    /// What was measured.
    pub value: f64,
    /// When, in milliseconds of Unix time; `None` where it does not say.
    pub unix_ms: Option<f64>,
}

/// Which series [`Store::series`](crate::Store::series) lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// Those of this service.
    pub service: Option<String>,
    /// Those of this family.
    pub family: Option<String>,
    /// Those with all of these labels.
    pub labels: Vec<(String, String)>,
}

impl SeriesFilter {
    /// Sets what `name=value` of a query string means; an empty value means no wish, and a name that
    /// is no filter's is `Ok(false)`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, BadFilter> {
        match name {
            "service" | "family" | "label" if value.is_empty() => {}
            "service" => self.service = Some(value.into()),
            "family" => self.family = Some(value.into()),
            "label" => match value.split_once(':') {
                Some((name, value)) if self.labels.len() < super::filter::MAX_ATTRIBUTES => {
                    self.labels.push((name.into(), value.into()));
                }
                _ => return Err(BadFilter("label is not understood: give name:value, at most 16")),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn accepts(&self, series: &Series) -> bool {
        self.family.as_deref().is_none_or(|family| *series.family == *family)
            && self.labels.iter().all(|(name, value)| series.label(name) == Some(value))
    }
}

/// All families, by service and name.
pub(crate) fn families(state: &State) -> Vec<FamilySummary> {
    let mut families = Vec::new();
    for (service, of_service) in state.metrics.visible() {
        let mut counted: BTreeMap<&str, (usize, FamilyKind)> = BTreeMap::new();
        for (series, ..) in of_service.iter() {
            let (count, kind) = counted.entry(&series.family).or_default();
            *count += 1;
            if *kind != FamilyKind::Histogram {
                *kind = kind_of_series(series);
            }
        }
        for (name, (series, seen)) in counted {
            let described = of_service.family(name);
            families.push(FamilySummary {
                service: Arc::clone(service),
                family: name.into(),
                kind: described.map_or(seen, |described| described.kind),
                unit: described.map(|described| described.unit.clone()).unwrap_or_default(),
                help: described.map(|described| described.help.clone()).unwrap_or_default(),
                series,
            });
        }
    }
    families
        .sort_by(|one, other| (&one.service, &one.family).cmp(&(&other.service, &other.family)));
    families
}

fn kind_of_series(series: &Series) -> FamilyKind {
    match series.kind {
        SeriesKind::Counter if series.name.ends_with("_bucket") => FamilyKind::Histogram,
        SeriesKind::Counter => FamilyKind::Counter,
        SeriesKind::Gauge => FamilyKind::Gauge,
    }
}

/// The series that pass `filter`, by service, name and labels; 1,000 at most.
pub(crate) fn series(state: &State, filter: &SeriesFilter) -> Vec<TimeSeries> {
    let mut found = Vec::new();
    let wanted = |name: &str| filter.service.as_deref().is_none_or(|service| *service == *name);
    for (service, of_service) in state.metrics.visible().filter(|(name, _)| wanted(name)) {
        let mut exemplars: HashMap<&Arc<Series>, Vec<PlottedExemplar>> = HashMap::new();
        for (series, one) in of_service.exemplars().filter(|(series, _)| filter.accepts(series)) {
            exemplars.entry(series).or_default().push(PlottedExemplar {
                trace_id: one.trace_id,
                span_id: one.span_id,
                value: one.value,
                unix_ms: one.timestamp.map(|seconds| seconds * 1e3),
            });
        }
        for (series, points, last_seen) in of_service.iter() {
            if !filter.accepts(series) {
                continue;
            }
            let mut course: Vec<(f64, f64)> =
                points.iter().map(|(at, value)| (milliseconds(*at), *value)).collect();
            if let Some((_, value)) = points.back().filter(|(at, _)| *at < last_seen) {
                course.push((milliseconds(last_seen), *value));
            }
            let mut exemplars = exemplars.remove(series).unwrap_or_default();
            exemplars.drain(..exemplars.len().saturating_sub(MAX_EXEMPLARS));
            found.push(TimeSeries {
                service: Arc::clone(service),
                name: series.name.clone(),
                labels: series.labels.clone(),
                kind: series.kind,
                points: course,
                exemplars,
            });
            if found.len() >= MAX_ITEMS {
                break;
            }
        }
    }
    found.sort_by(|one, other| {
        (&one.service, &one.name, &one.labels).cmp(&(&other.service, &other.name, &other.labels))
    });
    found.truncate(MAX_ITEMS);
    found
}
