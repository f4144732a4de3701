//! Looking into another process, with no change to it.

mod code;
pub(crate) mod dump;
mod image;
mod maps;
mod memory;
mod perf;
pub(crate) mod record;
pub(crate) mod recorder;
mod ring;
mod stop;
mod symbols;
mod threads;
mod unwind;
mod waiting;
