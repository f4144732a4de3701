#![doc = include_str!("../README.md")]
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod arch;
mod attach;
mod error;
mod format;
mod inside;
mod labels;
mod mapping;
mod profile;
mod stack;

pub use attach::dump::{Dump, Method, NoStackReason, Thread, dump};
pub use attach::dump_own::dump_own;
pub use attach::dump_tree::{Process, dump_tree};
pub use attach::record::{Recording, record};
pub use attach::recorder::{Progress, Recorder};
pub use error::Error;
pub use format::Format;
pub use inside::cpu::CpuProfiler;
#[cfg(feature = "http")]
pub use inside::endpoint;
pub use inside::heap;
pub use inside::telemetry::source;
pub use labels::{Labels, SampleFilter};
pub use mapping::Mapping;
pub use profile::{Profile, Sample};
pub use stack::{Frame, Stack};

/// The guide's examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/profiling.md")]
mod guide {}
