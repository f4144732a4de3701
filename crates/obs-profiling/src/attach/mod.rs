//! Looking into another process, with no change to it.

pub(crate) mod code;
pub(crate) mod dump;
pub(crate) mod dump_tree;
mod image;
mod maps;
mod memory;
mod perf;
pub(crate) mod record;
pub(crate) mod recorder;
mod ring;
mod stop;
pub(crate) mod symbols;
pub(crate) mod threads;
mod tree;
pub(crate) mod unwind;
mod waiting;
