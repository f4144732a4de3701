//! Taking fields apart that are one text: `,"key":value,"key":value`.

pub(super) use obs_guard::json::value;

/// The escaped name at the beginning, and what is behind its colon.
pub(super) fn name(fields: &[u8]) -> Option<(&[u8], &[u8])> {
    obs_guard::json::name(fields.strip_prefix(b",")?)
}
