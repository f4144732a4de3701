#![doc = include_str!("../README.md")]

pub mod error;
mod error_text;
mod exit;
mod fork;
mod format;
pub mod frames;
mod grpc_code;
pub mod json;
mod location;
pub mod once;
mod place;
mod port;
mod random;
pub mod redact;
mod state;
mod text;

pub use error::AsError;
pub use error_text::ErrorText;
pub use exit::at_exit;
pub use fork::{fork_generation, watch_forks};
pub use format::{Formatted, write_args, write_debug, write_display};
pub use grpc_code::grpc_code_name;
pub use location::source_path;
pub use place::{Place, each_place, panics};
pub use port::has_valid_port;
pub use random::random_u64;
pub use text::{panic_message, truncated};
