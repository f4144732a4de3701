//! The metric types.

/// What a family is to the exposition formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Info,
    StateSet,
    #[cfg(feature = "prometheus-client")]
    Unknown,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            #[cfg(feature = "prometheus-client")]
            Self::Unknown => "unknown",
        }
    }

    /// The type's name in the text format 0.0.4, which has no info and no state set.
    pub(crate) const fn classic(self) -> &'static str {
        match self {
            Self::Info | Self::StateSet => "gauge",
            #[cfg(feature = "prometheus-client")]
            Self::Unknown => "untyped",
            other => other.as_str(),
        }
    }

    /// The suffixes of its series in OpenMetrics, after the family's name.
    pub(crate) const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total", "_created"],
            Self::Gauge | Self::StateSet => &[""],
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["", "_sum", "_count", "_created"],
            Self::Info => &["_info"],
            #[cfg(feature = "prometheus-client")]
            Self::Unknown => &[""],
        }
    }
}
