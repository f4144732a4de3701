//! The exposition formats.

mod common_labels;
#[cfg(feature = "otlp-push")]
mod conventions;
mod format;
#[cfg(feature = "http")]
mod negotiate;
mod number;
#[cfg(feature = "otlp-push")]
mod otlp;
#[cfg(feature = "prometheus-client")]
mod owned;
mod protobuf;
mod text;
mod wire;
mod writer;

pub(crate) use common_labels::WithCommonLabels;
pub(crate) use format::Format;
#[cfg(feature = "http")]
pub(crate) use negotiate::{coding_quality, negotiate};
pub(crate) use number::{Number, le, quantile_label};
#[cfg(feature = "otlp-push")]
pub(crate) use otlp::Otlp;
#[cfg(feature = "prometheus-client")]
pub(crate) use owned::{OwnedScrape, OwnedValue};
pub(crate) use protobuf::Protobuf;
pub(crate) use text::Text;
pub(crate) use writer::Expose;
