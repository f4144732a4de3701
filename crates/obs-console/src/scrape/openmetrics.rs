//! Parses OpenMetrics and Prometheus' older text; an invalid line loses only itself.

use obs_context::{SpanId, TraceId};

use crate::model::{self, Exemplar, Observation, Series, SeriesKind};

/// Longer lines and more labels are no metrics.
const MAX_LINE_BYTES: usize = 16 << 10;
const MAX_LABELS: usize = 64;

/// What a page of metrics says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    /// Its samples, but for the `_created` ones, which are times.
    pub observations: Vec<Observation>,
    /// What it tells of families.
    pub families: Vec<model::Family>,
    /// How many lines were neither samples nor comments.
    pub bad_lines: u64,
}

/// Reads OpenMetrics 1.0 text or Prometheus text 0.0.4. A line that cannot be understood is counted
/// and left out; whatever follows `# EOF` is not read.
pub fn parse(text: &str) -> Exposition {
    let mut exposition = Exposition::default();
    let mut family = Family { name: "", kind: FamilyKind::Unknown };
    for line in text.lines() {
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            match comment.trim_start().split_once(' ') {
                Some(("TYPE", rest)) => {
                    family = Family::parse(rest);
                    describe(&mut exposition.families, rest, |family, text| {
                        family.kind = kind_of(text);
                    });
                }
                Some(("HELP", rest)) => describe(&mut exposition.families, rest, |family, text| {
                    family.help = model::Family::truncated(text);
                }),
                Some(("UNIT", rest)) => describe(&mut exposition.families, rest, |family, text| {
                    family.unit = model::Family::truncated(text);
                }),
                None if comment.trim() == "EOF" => break,
                _ => {}
            }
            continue;
        }
        match sample(line, &family) {
            Some(Some(observation)) => exposition.observations.push(observation),
            Some(None) => {}
            None => exposition.bad_lines += 1,
        }
    }
    exposition
}

/// A family's lines stand together, so it is the last one or a new one.
fn describe(
    families: &mut Vec<model::Family>,
    line: &str,
    set: impl FnOnce(&mut model::Family, &str),
) {
    let (name, text) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    if name.is_empty() || line.len() > MAX_LINE_BYTES {
        return;
    }
    if families.last().is_none_or(|last| *last.name != *name) {
        families.push(model::Family::new(name));
    }
    if let Some(family) = families.last_mut() {
        set(family, text.trim());
    }
}

fn kind_of(text: &str) -> model::FamilyKind {
    match text {
        "counter" => model::FamilyKind::Counter,
        "histogram" | "gaugehistogram" => model::FamilyKind::Histogram,
        "summary" => model::FamilyKind::Summary,
        _ => model::FamilyKind::Gauge,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FamilyKind {
    Counter,
    /// Histograms and summaries: whatever has a suffix of theirs only grows.
    Distribution,
    Gauge,
    Unknown,
}

struct Family<'a> {
    name: &'a str,
    kind: FamilyKind,
}

impl<'a> Family<'a> {
    fn parse(declaration: &'a str) -> Self {
        let (name, kind) = declaration.trim().split_once(' ').unwrap_or((declaration, ""));
        let kind = match kind.trim() {
            "counter" => FamilyKind::Counter,
            "histogram" | "summary" => FamilyKind::Distribution,
            "gauge" | "gaugehistogram" | "info" | "stateset" => FamilyKind::Gauge,
            _ => FamilyKind::Unknown,
        };
        Self { name, kind }
    }

    /// The family's name and the kind of the series of this name; `None` for a time of creation.
    fn classify(&self, sample: &'a str) -> Option<(&'a str, SeriesKind)> {
        let suffix = match sample.strip_prefix(self.name) {
            Some(suffix) if !self.name.is_empty() => suffix,
            _ => return Some((sample, kind_by_name(sample))),
        };
        match (self.kind, suffix) {
            (FamilyKind::Counter | FamilyKind::Distribution, "_created") => None,
            (FamilyKind::Counter, "" | "_total") => Some((self.name, SeriesKind::Counter)),
            (FamilyKind::Distribution, "_bucket" | "_count" | "_sum") => {
                Some((self.name, SeriesKind::Counter))
            }
            (FamilyKind::Distribution, "") => Some((self.name, SeriesKind::Gauge)),
            (FamilyKind::Gauge, "" | "_bucket" | "_gcount" | "_gsum" | "_info") => {
                Some((self.name, SeriesKind::Gauge))
            }
            _ => Some((sample, kind_by_name(sample))),
        }
    }
}

/// What a name alone says, where no type is declared for it.
fn kind_by_name(sample: &str) -> SeriesKind {
    if sample.ends_with("_total") { SeriesKind::Counter } else { SeriesKind::Gauge }
}

/// One line: `Some(None)` is a sample that is left out on purpose, `None` is no sample.
fn sample(line: &str, family: &Family<'_>) -> Option<Option<Observation>> {
    if line.len() > MAX_LINE_BYTES {
        return None;
    }
    let end_of_name = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at_checked(end_of_name)?;
    if name.is_empty() {
        return None;
    }
    let (labels, rest) = if rest.starts_with('{') { labels(rest)? } else { (Vec::new(), rest) };
    // A value holds no '#', so the first one begins the exemplar.
    let (measured, exemplar) = match rest.split_once('#') {
        Some((measured, exemplar)) => (measured, Some(exemplar)),
        None => (rest, None),
    };
    let mut numbers = measured.split_ascii_whitespace();
    let value: f64 = numbers.next()?.parse().ok()?;
    if let Some(timestamp) = numbers.next() {
        timestamp.parse::<f64>().ok()?;
    }
    if numbers.next().is_some() {
        return None;
    }
    let exemplar = exemplar.and_then(self::exemplar);
    let Some((family, kind)) = family.classify(name) else { return Some(None) };
    let series = Series { family: family.into(), name: name.into(), labels, kind };
    Some(Some(Observation { series, value, is_delta: false, exemplar }))
}

type Labels = Vec<(Box<str>, Box<str>)>;

/// Reads `{name="value",...}` and tells what follows it.
fn labels(text: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    let mut rest = text.strip_prefix('{')?.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        if labels.len() >= MAX_LABELS {
            return None;
        }
        labels.push((name.trim().into(), value.into()));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// Reads `"..."` with its three escapes and tells what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// Reads what stands after the `#`; an exemplar that names no trace is none to us.
fn exemplar(text: &str) -> Option<Exemplar> {
    let (labels, rest) = labels(text.trim_start())?;
    let label = |wanted: [&str; 2]| {
        labels.iter().find(|(name, _)| wanted.contains(&&**name)).map(|(_, value)| &**value)
    };
    let trace_id: TraceId = label(["trace_id", "traceID"])?.parse().ok()?;
    let mut numbers = rest.split_ascii_whitespace();
    Some(Exemplar {
        trace_id: Some(trace_id).filter(|id| id.is_valid())?,
        span_id: label(["span_id", "spanID"])
            .and_then(|text| text.parse().ok())
            .filter(|id: &SpanId| id.is_valid()),
        value: numbers.next()?.parse().ok()?,
        timestamp: numbers.next().and_then(|text| text.parse().ok()),
    })
}
