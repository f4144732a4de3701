//! Families: the series of one metric, found by their label values and bounded in number.

mod budget;
mod collection;
mod idle;
mod key;
mod labels;
mod limit;
mod series;
mod table;
mod typed;
mod vector;

pub(crate) use budget::Budget;
pub(crate) use collection::{Collect, Family, single};
pub(crate) use labels::{LabelPairs, Labels, parse_block, push_label};
pub(crate) use series::Series;
pub use typed::{LabelSet, LabelValue, TypedVec};
pub use vector::{Child, CounterVec, GaugeVec, HistogramVec, MetricVec, SummaryVec};
