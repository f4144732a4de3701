//! Bytes, fast: numbers, text and time as JSON.

pub(crate) mod escape;
pub(crate) mod time;
pub(crate) mod value;
