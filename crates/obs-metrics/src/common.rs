//! Prefix and labels that all metrics of a registry share.

use crate::error::Error;

/// A checked [`Builder`](crate::Builder).
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    /// `shop_`, or nothing.
    pub(crate) prefix: String,
    pub(crate) labels: Vec<(String, String)>,
    /// The labels as the text formats write them.
    pub(crate) block: String,
    pub(crate) shows_created: bool,
}

impl Common {
    /// Whether a family may have these labels beside the common ones.
    pub(crate) fn check_labels(&self, name: &str, labels: &[&str]) -> Result<(), Error> {
        match self.labels.iter().find(|(common, _)| labels.contains(&common.as_str())) {
            Some((label, _)) => Err(Error::invalid(format!(
                "label `{label}` of `{name}`: every series of this registry has it already: drop one"
            ))),
            None => Ok(()),
        }
    }
}
