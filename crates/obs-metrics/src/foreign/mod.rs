//! prometheus-client registries in ours, and ours in theirs.

mod collector;
mod parse;

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use self::parse::{ForeignFamily, ForeignSample, families};
use crate::batch::Batch;
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::family::parse_block;
use crate::kind::Kind;

/// Foreign families, or lines of them, that were not shown, in the whole process.
static REJECTED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn rejected() -> u64 {
    REJECTED.load(Relaxed)
}

/// Writes the families of a foreign registry, leaving out what would spoil the whole scrape: names that
/// are taken, series that come twice, buckets out of order or incomplete, lines that are none.
pub(crate) fn expose(
    batch: &Batch,
    out: &mut dyn Expose,
    wanted: &dyn Fn(&Descriptor) -> bool,
    is_taken: &mut dyn FnMut(&Descriptor) -> bool,
) {
    let mut text = &*batch.text;
    if batch.is_truncated {
        // A collector that fails may do so before its first line: the last family may be another's, and
        // in order. Only the line that was not finished is certainly wrong.
        REJECTED.fetch_add(1, Relaxed);
        text = text.rfind('\n').map_or("", |end| &text[..=end]);
    }
    let (families, unreadable) = families(text);
    REJECTED.fetch_add(unreadable, Relaxed);
    for foreign in families {
        REJECTED.fetch_add(foreign.unreadable, Relaxed);
        if foreign.samples.is_empty() || !wanted(&foreign.family) {
            continue;
        }
        if is_taken(&foreign.family) || !is_sound(&foreign) {
            REJECTED.fetch_add(1, Relaxed);
            continue;
        }
        out.family(&foreign.family);
        let hidden = without_sum(&foreign, out);
        for sample in &foreign.samples {
            if matches!(sample.suffix, "_sum" | "_count") && hidden.contains(&pairs(sample)) {
                continue;
            }
            out.sample(
                &foreign.family,
                sample.suffix,
                sample.labels,
                sample.value,
                sample.exemplar,
            );
        }
    }
}

/// The histograms of which the format has neither sum nor count.
fn without_sum<'a>(foreign: &ForeignFamily<'a>, out: &dyn Expose) -> HashSet<Pairs<'a>> {
    if foreign.family.kind != Kind::Histogram {
        return HashSet::new();
    }
    let negative = with_negative_bounds(foreign);
    let sums = foreign.samples.iter().filter(|sample| sample.suffix == "_sum");
    let hidden = sums.filter_map(|sum| {
        let series = pairs(sum);
        let is_shown = out.may_show_sum(sum.value.as_float(), negative.contains(&series));
        (!is_shown).then_some(series)
    });
    hidden.collect()
}

/// The histograms with a bound below zero.
fn with_negative_bounds<'a>(foreign: &ForeignFamily<'a>) -> HashSet<Pairs<'a>> {
    let buckets = foreign.samples.iter().filter(|sample| sample.suffix == "_bucket");
    let negative = buckets.filter_map(|bucket| {
        let (bounds, series): (Pairs<'_>, Pairs<'_>) =
            pairs(bucket).into_iter().partition(|(name, _)| *name == "le");
        let bound = bounds.first().and_then(|(_, bound)| bound.parse::<f64>().ok());
        bound.is_some_and(|bound| bound < 0.0).then_some(series)
    });
    negative.collect()
}

type Pairs<'a> = Vec<(&'a str, String)>;

fn pairs<'a>(sample: &ForeignSample<'a>) -> Pairs<'a> {
    let mut pairs = parse_block(sample.labels);
    pairs.sort();
    pairs
}

/// No label and no series comes twice, and buckets grow up to `+Inf`.
fn is_sound(foreign: &ForeignFamily<'_>) -> bool {
    let mut seen = HashSet::new();
    let mut last: Option<(String, f64)> = None;
    let is_complete = |last: &Option<(String, f64)>| {
        last.as_ref().is_none_or(|(_, bound)| *bound == f64::INFINITY)
    };
    let lines_are_sound = foreign.samples.iter().all(|sample| {
        let pairs = pairs(sample);
        let names_differ = pairs.windows(2).all(|pair| pair[0].0 != pair[1].0);
        let mut series = String::new();
        let mut bound = None;
        for (name, value) in &pairs {
            if sample.suffix == "_bucket" && *name == "le" {
                bound = value.parse::<f64>().ok();
            } else {
                // Writing to a string does not fail.
                let _ = write!(series, "{name}={value:?},");
            }
        }
        let grows = match (&last, bound) {
            (Some((former, low)), Some(high)) if *former == series => *low < high,
            _ => is_complete(&last),
        };
        last = bound.map(|bound| (series, bound));
        names_differ && grows && seen.insert((sample.suffix, pairs))
    });
    lines_are_sound && is_complete(&last)
}
