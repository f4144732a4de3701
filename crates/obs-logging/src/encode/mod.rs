//! Bytes, fast: numbers, text and time as JSON.

pub(crate) mod escape;
pub(crate) mod head;
pub(crate) mod moment;
pub(crate) mod put;
#[cfg(any(feature = "kv", feature = "valuable"))]
pub(crate) mod structure;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod ticks;
pub(crate) mod time;
pub(crate) mod value;
