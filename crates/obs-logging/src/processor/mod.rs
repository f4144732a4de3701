//! What happens to an event before it is rendered.

use std::collections::HashSet;

/// What a layer does to its events, in a fixed order.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) redacted: HashSet<String>,
}

impl Pipeline {
    pub(crate) fn redacts(&self, name: &str) -> bool {
        !self.redacted.is_empty() && self.redacted.contains(name)
    }
}
