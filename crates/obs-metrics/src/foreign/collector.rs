//! Our registry as a collector of theirs.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::expose::{Number, OwnedScrape, OwnedValue};
use crate::family::parse_block;
use crate::kind::Kind;
use crate::registry::Registry;

/// Everything of this registry but the foreign registries mounted in it, and but exemplars, which
/// prometheus-client takes from its own types only. It has no summaries and no state sets either: they,
/// and infos, appear as gauges.
impl Collector for Registry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut owned = OwnedScrape::default();
        let deadline = std::time::Instant::now() + crate::sources::COLLECT_TIMEOUT;
        self.expose_registered(deadline, &mut owned, &|_| true);
        for family in owned.0.iter_mut() {
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Histogram => MetricType::Histogram,
                _ => MetricType::Gauge,
            };
            // Lines of one name make a family.
            family.series.sort_by(|(_, a), (_, b)| a.suffix().cmp(b.suffix()));
            for series in family.series.chunk_by(|(_, a), (_, b)| a.suffix() == b.suffix()) {
                let suffix = series.first().map_or("", |(_, value)| value.suffix());
                let name = format!("{}{suffix}", family.base);
                let mut encoder = encoder.encode_descriptor(&name, &help, None, kind)?;
                for (labels, value) in series {
                    let labels = parse_block(labels);
                    if labels.is_empty() {
                        encode(&mut encoder, value)?;
                    } else {
                        encode(&mut encoder.encode_family(&labels)?, value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, value: &OwnedValue) -> Result<(), fmt::Error> {
    match value {
        OwnedValue::Counter(Number::Integer(value)) => {
            encoder.encode_counter::<NoLabelSet, u64, f64>(value, None)
        }
        OwnedValue::Counter(Number::Float(value)) => {
            encoder.encode_counter::<NoLabelSet, f64, f64>(value, None)
        }
        OwnedValue::Gauge(value) => encoder.encode_gauge(value),
        OwnedValue::Line(_, Number::Integer(value)) => encoder.encode_gauge(value),
        OwnedValue::Line(_, Number::Float(value)) => encoder.encode_gauge(value),
        OwnedValue::Histogram { sum, count, buckets } => {
            encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}
