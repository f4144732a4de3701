//! Counts accepted, rejected and evicted items.

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spans_received: u64,
    pub(crate) spans_repeated: u64,
    pub(crate) spans_rejected: u64,
    pub(crate) spans_evicted: u64,
    pub(crate) traces_evicted: u64,
    pub(crate) logs_received: u64,
    pub(crate) logs_text: u64,
    pub(crate) logs_cut: u64,
    pub(crate) logs_rejected: u64,
    pub(crate) logs_evicted: u64,
    pub(crate) errors_received: u64,
    pub(crate) errors_repeated: u64,
    pub(crate) errors_rejected: u64,
    pub(crate) errors_evicted: u64,
    pub(crate) envelope_items_ignored: u64,
    pub(crate) samples_received: u64,
    pub(crate) samples_rejected: u64,
    pub(crate) series_evicted: u64,
    pub(crate) health_rejected: u64,
    pub(crate) services_rejected: u64,
    pub(crate) attributes_dropped: u64,
    pub(crate) requests_rejected: u64,
    pub(crate) connections_evicted: u64,
    pub(crate) own: u64,
}
