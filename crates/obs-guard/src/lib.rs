#![doc = include_str!("../README.md")]

mod format;
mod place;

pub use format::{Formatted, write_args, write_debug, write_display};
pub use place::{Place, panics};
