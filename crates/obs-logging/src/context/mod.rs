//! What every line carries: the request's fields, and those of the spans around it.

pub(crate) mod ambient;
mod errors;
pub(crate) mod fields;
pub(crate) mod span;
pub(crate) mod split;
pub(crate) mod stack;
