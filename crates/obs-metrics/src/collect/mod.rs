//! Resources: the process, the tokio runtime, pools. Their utilisation, saturation and errors (USE).

mod pool;
mod process;
#[cfg(feature = "tokio")]
mod tokio;

pub use pool::Pool;
pub use process::process;
#[cfg(feature = "tokio")]
pub use tokio::tokio;
