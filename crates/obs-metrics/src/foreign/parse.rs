//! Reading what prometheus-client wrote.

use std::panic::Location;

use crate::descriptor::Descriptor;
use crate::expose::Number;
use crate::kind::Kind;

/// One family as it stood in the text.
#[derive(Debug)]
pub(super) struct ForeignFamily<'a> {
    pub(super) family: Descriptor,
    pub(super) samples: Vec<ForeignSample<'a>>,
    /// Lines that are no samples of this family.
    pub(super) unreadable: u64,
}

#[derive(Debug)]
pub(super) struct ForeignSample<'a> {
    pub(super) suffix: &'a str,
    pub(super) labels: &'a str,
    pub(super) value: Number,
    /// What follows `# `.
    pub(super) exemplar: Option<&'a str>,
}

/// The families of an OpenMetrics text whose help may be unescaped, and what could not be read.
pub(super) fn families(text: &str) -> (Vec<ForeignFamily<'_>>, u64) {
    let mut families = Vec::new();
    let mut unreadable = 0;
    let mut rest = text;
    while let Some(at) = start_of_family(rest, 0) {
        rest = rest.get(at..).unwrap_or_default();
        // Help that breaks lines may look like a family itself: the true next one is after our type.
        let name = rest.split(' ').nth(2).unwrap_or_default();
        let typed = rest.find(&format!("\n# TYPE {name} ")).unwrap_or(1);
        let end = start_of_family(rest, typed).unwrap_or(rest.len());
        match rest.get(..end).and_then(family) {
            Some(family) => families.push(family),
            None => unreadable += 1,
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    (families, unreadable)
}

/// Where the first line from `from` on stands that begins with `# HELP `.
fn start_of_family(text: &str, from: usize) -> Option<usize> {
    let starts_line = |at: &usize| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
    let mut places = text.get(from..)?.match_indices("# HELP ").map(|(at, _)| from + at);
    places.find(starts_line)
}

fn family(chunk: &str) -> Option<ForeignFamily<'_>> {
    let (name, rest) = chunk.strip_prefix("# HELP ")?.split_once(' ')?;
    let (help, rest) = rest.split_once(&format!("\n# TYPE {name} "))?;
    let (kind, lines) = rest.split_once('\n')?;
    let kind = match kind {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "info" => Kind::Info,
        _ => Kind::Unknown,
    };
    let full_name = match kind {
        Kind::Counter => format!("{name}_total"),
        Kind::Info => format!("{name}_info"),
        _ => name.to_owned(),
    };
    if !is_name(name) {
        return None;
    }
    let location = Location::caller();
    let family = Descriptor::unchecked(&full_name, kind, help, &[], String::new(), location);
    let mut foreign = ForeignFamily { family, samples: Vec::new(), unreadable: 0 };
    for line in lines.lines().filter(|line| !line.starts_with("# UNIT ")) {
        match sample(name, kind, line) {
            Some(sample) => foreign.samples.push(sample),
            None => foreign.unreadable += 1,
        }
    }
    Some(foreign)
}

/// `name_suffix{labels} value # exemplar`.
fn sample<'a>(name: &str, kind: Kind, line: &'a str) -> Option<ForeignSample<'a>> {
    let rest = line.strip_prefix(name)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let allowed: &[&str] = match kind {
        Kind::Counter => &["_total"],
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::Info => &["_info"],
        _ => &[""],
    };
    if !allowed.contains(&suffix) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let end = end_of_labels(rest)?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        None => ("", rest),
    };
    let rest = rest.strip_prefix(' ')?;
    let (value, exemplar) = match rest.split_once(" # ") {
        Some((value, exemplar)) => (value, Some(exemplar).filter(|text| fits(text))),
        None => (rest, None),
    };
    let whole = value.parse().map(Number::Integer).ok();
    let value = whole.or_else(|| value.parse().map(Number::Float).ok())?;
    // What counts is neither negative nor NaN, and it alone has exemplars (OpenMetrics 1.0, "Counter",
    // "Histogram", "Exemplars").
    let counts = matches!(suffix, "_total" | "_bucket");
    let float = value.as_float();
    if (counts || suffix == "_count") && (float.is_nan() || float < 0.0) {
        return None;
    }
    let exemplar = exemplar.filter(|_| counts);
    Some(ForeignSample { suffix, labels, value, exemplar })
}

/// Where the `}` stands that no string contains.
fn end_of_labels(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'}' => return !quoted,
            _ => {}
        }
        false
    })
}

/// An exemplar's labels may have 128 characters (OpenMetrics 1.0, "Exemplars").
fn fits(exemplar: &str) -> bool {
    let labels = exemplar.strip_prefix('{').and_then(|rest| rest.get(..end_of_labels(rest)?));
    let syntax = |labels: &str| labels.matches(['"', ',', '=']).count();
    labels.is_some_and(|labels| labels.chars().count() <= 128 + syntax(labels))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}
