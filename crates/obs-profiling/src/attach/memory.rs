//! Another process's memory.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// As many of the bytes as can be read: none when the process does not let us.
pub(crate) fn read(pid: i32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let remote = RemoteIoVec { base: address as usize, len: length };
    let local = &mut [IoSliceMut::new(&mut bytes)];
    let called = process_vm_readv(Pid::from_raw(pid), local, &[remote]);
    // A sandbox may forbid the call.
    let count = called.or_else(|_| file(pid)?.read_at(&mut bytes, address)).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

fn file(pid: i32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/mem"))
}
