//! The formats that a scrape can ask for.

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text format 0.0.4: no exemplars, no units, no end mark.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Protobuf, delimited.
    Protobuf,
}
