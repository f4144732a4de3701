#![doc = include_str!("../README.md")]

mod batch;
mod buckets;
mod builder;
mod cardinality;
pub mod collect;
mod common;
pub mod db;
mod descriptor;
#[cfg(feature = "http")]
mod endpoint;
mod error;
mod exemplar;
mod expose;
mod failures;
mod family;
#[cfg(feature = "prometheus-client")]
mod foreign;
mod global;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "http")]
pub mod http;
mod kind;
mod lint;
mod metric;
mod names;
#[cfg(feature = "otlp-push")]
mod push;
mod registry;
mod source_samples;
mod sources;
mod storage;
pub mod testing;

pub use buckets::Buckets;
pub use builder::Builder;
pub use cardinality::{Cardinality, FamilyCardinality, LabelCardinality};
#[cfg(feature = "http")]
pub use endpoint::Endpoint;
pub use error::Error;
pub use family::{
    Child, CounterVec, GaugeVec, HistogramVec, LabelSet, LabelValue, MetricVec, SummaryVec,
    TypedVec,
};
pub use global::{
    counter, counter_vec, default_registry, gauge, gauge_vec, histogram, histogram_vec,
};
pub use metric::{Counter, Gauge, Histogram, InProgress, Metric, StateSet, Summary, Timer};
#[cfg(feature = "otlp-push")]
pub use obs_otlp::{Compression, Protocol, Setting};
#[cfg(feature = "otlp-push")]
pub use push::{Push, PushCounts, Pusher};
pub use registry::{Registry, SeriesBudget};

/// The guide's examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/metrics.md")]
mod guide {}
