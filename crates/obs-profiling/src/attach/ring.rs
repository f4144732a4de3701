//! The ring of memory that the kernel writes perf's records into.

#![allow(unsafe_code, reason = "memory that is shared with the kernel")]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};
use perf_event_open_sys::bindings as raw;
use perf_event_open_sys::ioctls;

/// Bytes; a power of two.
pub(crate) const MAX_RING_BYTES: usize = 2 << 20;
/// Users without a capability may lock only so much memory (perf_event_mlock_kb): smaller is tried.
const SMALLEST: usize = 128 << 10;

/// A ring with what fills it.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: NonNull<raw::perf_event_mmap_page>,
    page: usize,
    length: usize,
    /// The first owns the ring, the others write into it.
    events: Vec<OwnedFd>,
    /// Up to where records have been looked at.
    head: u64,
    scratch: Vec<u8>,
}

impl Ring {
    pub(crate) fn of(event: OwnedFd) -> io::Result<Self> {
        let page = page_size();
        let mut length = MAX_RING_BYTES.max(page);
        let memory = loop {
            match map(&event, page + length) {
                Err(error) if may_be_too_much(&error) && length / 2 >= SMALLEST.max(page) => {
                    length /= 2;
                }
                mapped => break mapped?,
            }
        };
        Ok(Self { memory, page, length, events: vec![event], head: 0, scratch: Vec::new() })
    }

    /// Lets another event of the same processor write into this ring.
    pub(crate) fn add(&mut self, event: OwnedFd) -> io::Result<()> {
        let owner = self.events.first().ok_or(io::ErrorKind::InvalidInput)?.as_raw_fd();
        // SAFETY: both are open perf events.
        if unsafe { ioctls::SET_OUTPUT(event.as_raw_fd(), owner) } != 0 {
            return Err(io::Error::last_os_error());
        }
        self.events.push(event);
        Ok(())
    }

    pub(crate) fn start(&self) {
        for event in &self.events {
            // SAFETY: an open perf event.
            unsafe { ioctls::ENABLE(event.as_raw_fd(), 0) };
        }
    }

    pub(crate) fn stop(&self) {
        for event in &self.events {
            // SAFETY: an open perf event.
            unsafe { ioctls::DISABLE(event.as_raw_fd(), 0) };
        }
    }

    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.events.first().map(AsFd::as_fd)
    }

    /// Shows every record, its header included, that has come since it was last called, and keeps them.
    pub(crate) fn peek(&mut self, seen: impl FnMut(&[u8])) {
        let page = self.memory.as_ptr();
        // SAFETY: the kernel's half of the protocol is atomic stores to `data_head`; the field is aligned
        // and lives as long as the mapping.
        let head =
            unsafe { AtomicU64::from_ptr(&raw mut (*page).data_head) }.load(Ordering::Acquire);
        self.walk(self.head, head, seen);
        self.head = head;
    }

    /// Shows every record that was looked at, and gives their room back.
    pub(crate) fn drain(&mut self, seen: impl FnMut(&[u8])) {
        let page = self.memory.as_ptr();
        // SAFETY: as in `peek`; only we write `data_tail`.
        let tail = unsafe { AtomicU64::from_ptr(&raw mut (*page).data_tail) };
        self.walk(tail.load(Ordering::Relaxed), self.head, seen);
        tail.store(self.head, Ordering::Release);
    }

    fn walk(&mut self, mut at: u64, end: u64, mut seen: impl FnMut(&[u8])) {
        while at < end {
            let header = self.bytes(at, 8);
            let size = usize::from(u16::from_le_bytes([header[6], header[7]]));
            if size < 8 {
                break;
            }
            seen(self.bytes(at, size));
            at += size as u64;
        }
    }

    /// A piece of the ring, put together where it goes around its end.
    fn bytes(&mut self, at: u64, length: usize) -> &[u8] {
        let length = length.min(self.length);
        let begin = (at as usize) % self.length;
        let first = length.min(self.length - begin);
        self.scratch.clear();
        // SAFETY: the data pages follow the first page; `begin + first` and the rest stay within them, and
        // the kernel does not write what lies between `data_tail` and `data_head`.
        unsafe {
            let data = self.memory.as_ptr().cast::<u8>().add(self.page);
            let whole = std::slice::from_raw_parts(data.add(begin), first);
            self.scratch.extend_from_slice(whole);
            self.scratch.extend_from_slice(std::slice::from_raw_parts(data, length - first));
        }
        &self.scratch
    }
}

// SAFETY: the mapping belongs to this value alone, and may be used from whichever thread has it.
unsafe impl Send for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and nothing refers to it any more.
        let _ = unsafe { munmap(self.memory.cast(), self.page + self.length) };
    }
}

fn map(event: &OwnedFd, length: usize) -> io::Result<NonNull<raw::perf_event_mmap_page>> {
    let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new shared mapping at a place that the kernel chooses; nobody else knows it.
    let memory = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, event, 0) }?;
    Ok(memory.cast())
}

fn may_be_too_much(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOMEM))
}

/// 4 KiB nearly everywhere; 16 or 64 KiB on some 64-bit ARM systems.
fn page_size() -> usize {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}
