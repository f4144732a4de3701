//! Copies of memory that may not be mapped: the kernel tells where it ends, which nothing else knows for
//! certain. A signal handler may make them.

#![allow(unsafe_code, reason = "system calls without what sanitizers put around them")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

/// Bytes of stack that are copied at most; deeper stacks are cut, and say so.
pub(crate) const STACK: usize = 16 * 1024;

/// What the kernel lets this process read its own memory by.
#[derive(Debug)]
pub(crate) enum Copying {
    /// process_vm_readv(2).
    Call,
    /// `/proc/self/mem`, of this process: where a sandbox forbids the call.
    File(File, i32),
}

impl Copying {
    /// The first of them that works here.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let probe = Box::new([1; STACK]);
        let mut copied = Box::new([0; STACK]);
        let mut works =
            |copying: &Self| copying.copy(probe.as_ptr().addr() as u64, &mut copied) > 0;
        if works(&Self::Call) {
            return Ok(Self::Call);
        }
        let refusal = io::Error::last_os_error();
        let file = File::open("/proc/self/mem").map(|file| Self::File(file, own_pid()));
        file.ok().filter(works).ok_or(refusal)
    }

    /// How many bytes could be read from there.
    pub(crate) fn copy(&self, address: u64, to: &mut [u8; STACK]) -> usize {
        let count = match self {
            Self::Call => call(own_pid(), address, to),
            // A process that was forked has its parent's file.
            Self::File(file, pid) if *pid == own_pid() => read(file.as_raw_fd(), address, to),
            Self::File(..) => 0,
        };
        usize::try_from(count).unwrap_or(0).min(STACK)
    }
}

fn call(pid: i32, address: u64, to: &mut [u8; STACK]) -> libc::c_long {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: STACK };
    let base = ptr::without_provenance_mut(address as usize);
    let remote = libc::iovec { iov_base: base, iov_len: STACK };
    let (pid, one, no_flags) = (libc::c_long::from(pid), 1_usize, 0_usize);
    let (local, remote) = (&raw const local, &raw const remote);
    // SAFETY: it writes `to` and nothing else; what cannot be read is an error.
    unsafe { libc::syscall(libc::SYS_process_vm_readv, pid, local, one, remote, one, no_flags) }
}

fn read(file: i32, address: u64, to: &mut [u8; STACK]) -> libc::c_long {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_pread64, file, to.as_mut_ptr(), STACK, address) }
}

/// Whoever asks: a forked process has a number of its own.
fn own_pid() -> i32 {
    // SAFETY: it always succeeds and touches nothing.
    unsafe { libc::getpid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways() -> [Copying; 2] {
        let file = File::open("/proc/self/mem").expect("our own");
        [Copying::Call, Copying::File(file, own_pid())]
    }

    #[test]
    fn each_way_copies_same_bytes() {
        let stack: Vec<u8> = (0..STACK).map(|place| place as u8).collect();
        for way in ways() {
            let mut to = [0; STACK];
            assert_eq!(way.copy(stack.as_ptr().addr() as u64, &mut to), STACK);
            assert_eq!(to[..], stack[..]);
        }
    }

    #[test]
    fn unmapped_memory_is_not_copied() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("our own");
        let end = maps.lines().find_map(|line| {
            let range = line.strip_suffix("[stack]")?.split(' ').next()?;
            u64::from_str_radix(range.split_once('-')?.1, 16).ok()
        });
        let end = end.expect("a stack");
        for way in ways() {
            let mut to = [0; STACK];
            assert_eq!(way.copy(end - 100, &mut to), 100, "{way:?}");
            assert_eq!(way.copy(16, &mut to), 0, "{way:?}");
        }
    }

    #[test]
    fn memory_file_of_other_process_is_not_read() {
        let file = File::open("/proc/self/mem").expect("our own");
        let of_another = Copying::File(file, own_pid() + 1);
        let stack = [0_u8; STACK];
        assert_eq!(of_another.copy(stack.as_ptr().addr() as u64, &mut [0; STACK]), 0);
    }
}
