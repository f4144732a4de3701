//! What every line carries: the request's fields, and those of the spans around it.

pub(crate) mod ambient;
pub(crate) mod current;
mod errors;
pub(crate) mod fields;
mod name_hash;
pub(crate) mod open_spans;
mod pool;
pub(crate) mod span;
pub(crate) mod split;
pub(crate) mod stack;
