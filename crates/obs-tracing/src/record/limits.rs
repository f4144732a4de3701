//! How much one span may hold.

/// How much one span may hold; what goes past it is counted in the span (`dropped_*_count`).
///
/// OpenTelemetry's own limits, except for the length of values, where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attributes of a span. 128.
    pub attributes: u32,
    /// Events of a span. 128.
    pub events: u32,
    /// Links of a span. 128.
    pub links: u32,
    /// Attributes of one event. 128.
    pub event_attributes: u32,
    /// Bytes of one text value; longer ones are cut at a character's boundary. 4,096.
    pub value_length: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attributes: 128, events: 128, links: 128, event_attributes: 128, value_length: 4096 }
    }
}
