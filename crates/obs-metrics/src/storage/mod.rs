//! Where the numbers live: words that belong to one thread each, so that counting takes no lock and
//! no atomic read-modify-write.

mod address;
mod pin;
mod thread;
mod words;

pub(crate) use pin::{Pin, Retired, pin};
pub(crate) use words::Words;
