//! The configuration of one layer.

use std::sync::Arc;

use crate::budget::Budget;
use crate::context::fields::Fields;
use crate::cost::CallsiteStats;
use crate::error_type::ErrorTypes;
use crate::filter::LogFilter;
use crate::output::{Sink, Tally};
use crate::processor::Pipeline;
use crate::render::Renderer;

/// The configuration of one layer.
pub(crate) struct LayerConfig {
    pub(crate) filter: LogFilter,
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) statics: Fields,
    pub(crate) pipeline: Pipeline,
    pub(crate) span_names: bool,
    pub(crate) error_types: Arc<ErrorTypes>,
    pub(crate) backtraces: bool,
    pub(crate) sink: Arc<Sink>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stats: Arc<CallsiteStats>,
    pub(crate) budget: Option<Arc<Budget>>,
}

impl LayerConfig {
    /// Whether values can be written directly into the line, as far as the configuration decides.
    pub(crate) fn writes_in_place(&self) -> bool {
        self.renderer.as_json().is_some() && self.pipeline.processors.is_empty() && !self.span_names
    }
}
