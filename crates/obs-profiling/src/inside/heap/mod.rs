//! Where memory goes: a sampling allocator that a *program* may install, and what it has seen.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: obs_profiling::heap::Sampling = obs_profiling::heap::Sampling::system();
//!
//! fn main() {
//!     obs_profiling::heap::start(obs_profiling::heap::INTERVAL).expect("it is installed");
//!     let kept = vec![0_u8; 8 << 20];
//!     let heap = obs_profiling::heap::profile().expect("it was started");
//!     assert!(heap.in_use().bytes > 4 << 20);
//!     # drop(kept);
//! }
//! ```
//!
//! One allocation in so many bytes is sampled, at random, and stands for all that are like it: the numbers
//! are estimates, the better the more memory they are about. Without a call of [`start`], an allocation
//! costs one subtraction more than before, and a free one comparison.

mod allocator;
mod live;
mod profile;
mod stacks;
mod walker;

pub use allocator::Sampling;
pub use profile::{HeapProfile, HeapSample, Memory, profile, start};

/// One sample in 512 KiB, as Go takes them.
pub const INTERVAL: usize = 512 * 1024;
