#![doc = include_str!("../README.md")]

mod client;
mod settings;

pub use client::{Client, ClientError};
pub use settings::{Failure, exit, listener, setting};
