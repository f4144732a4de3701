//! What the commands need of the machine: processes, HTTP, proxies, files.

mod cargo;
mod collector;
mod files;
mod http;
mod ports;
mod process;
mod proxy;
mod wait;

pub(crate) use cargo::{cargo, program, target, workspace};
pub(crate) use collector::Collector;
pub(crate) use files::{free_disk, raise_open_files};
pub(crate) use http::{Answer, Http};
pub(crate) use ports::{free_addr, installed};
pub(crate) use process::{Line, Service};
pub(crate) use proxy::Proxy;
pub(crate) use wait::until;
