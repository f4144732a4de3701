//! Looking into another process, with no change to it.

pub(crate) mod code;
pub(crate) mod dump;
pub(crate) mod dump_own;
pub(crate) mod dump_tree;
mod files;
mod image;
mod left_out;
mod maps;
mod memory;
mod opening;
mod perf;
mod processes;
pub(crate) mod record;
pub(crate) mod recorder;
mod ring;
mod stop;
pub(crate) mod symbols;
pub(crate) mod threads;
mod tree;
pub(crate) mod unwind;
mod waiting;
