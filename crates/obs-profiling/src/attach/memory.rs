//! Another process's memory.

use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// As many of the bytes as can be read: none when the process does not let us.
pub(crate) fn read(pid: i32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let remote = RemoteIoVec { base: address as usize, len: length };
    let local = &mut [IoSliceMut::new(&mut bytes)];
    let count = process_vm_readv(Pid::from_raw(pid), local, &[remote]).unwrap_or(0);
    bytes.truncate(count);
    bytes
}
