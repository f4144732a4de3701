//! prometheus-client registries in ours, and ours in theirs.

mod collector;
mod parse;

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::text::encode_registry;

use self::parse::{Foreign, families};
use crate::descriptor::Descriptor;
use crate::expose::Expose;
use crate::family::parse_block;

/// Foreign families, or lines of them, that were not shown, in the whole process.
static REJECTED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn rejected() -> u64 {
    REJECTED.load(Relaxed)
}

/// Writes the families of a foreign registry, leaving out what would spoil the whole scrape: names that
/// are taken, series that come twice, buckets out of order, lines that are none.
pub(crate) fn expose(
    registry: &prometheus_client::registry::Registry,
    out: &mut dyn Expose,
    wanted: &dyn Fn(&Descriptor) -> bool,
    is_taken: &mut dyn FnMut(&Descriptor) -> bool,
) {
    let mut text = String::new();
    if encode_registry(&mut text, registry).is_err() {
        // The family that failed is the last, and unfinished.
        REJECTED.fetch_add(1, Relaxed);
        text.truncate(text.rfind("# HELP ").unwrap_or(0));
    }
    let (families, unreadable) = families(&text);
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
        for sample in &foreign.samples {
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

/// No label and no series comes twice, and buckets grow.
fn is_sound(foreign: &Foreign<'_>) -> bool {
    let mut seen = HashSet::new();
    let mut last: Option<(String, f64)> = None;
    foreign.samples.iter().all(|sample| {
        let mut pairs = parse_block(sample.labels);
        pairs.sort();
        let names_differ = pairs.windows(2).all(|pair| pair[0].0 != pair[1].0);
        let mut series = String::new();
        let mut bound = None;
        for (name, value) in &pairs {
            if sample.suffix == "_bucket" && *name == "le" {
                bound = value.parse::<f64>().ok();
            } else {
                let _ = write!(series, "{name}={value:?},");
            }
        }
        let grows = match (&last, bound) {
            (Some((former, low)), Some(high)) if *former == series => *low < high,
            _ => true,
        };
        last = bound.map(|bound| (series, bound));
        names_differ && grows && seen.insert((sample.suffix, pairs))
    })
}
