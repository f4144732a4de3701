//! The kernel's sampler: `perf_event_open(2)` and the rings that it fills.

#![allow(unsafe_code, reason = "a system call, and memory that is shared with the kernel")]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use perf_event_open_sys::bindings as raw;
use perf_event_open_sys::{ioctls, perf_event_open};

use crate::arch::{PERF_REGISTER_COUNT, PERF_REGISTERS, Registers};

/// Bytes of stack that a sample carries; a multiple of 8.
const STACK: u32 = 16 * 1024;
/// Pages of a ring; a power of two.
const PAGES: usize = 512;
const PAGE: usize = 4096;

/// One sample of a thread that used the processor.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) tid: i32,
    pub(crate) registers: Registers,
    pub(crate) stack: &'a [u8],
}

/// A ring with what fills it.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: NonNull<raw::perf_event_mmap_page>,
    /// The first owns the ring, the others write into it.
    events: Vec<OwnedFd>,
    scratch: Vec<u8>,
}

impl Ring {
    /// Samples one thread on every processor, and the threads that it starts.
    pub(crate) fn of_thread(tid: i32, cpu: i32, rate: u64) -> io::Result<Self> {
        let event = open(tid, cpu, rate)?;
        let length = NonZeroUsize::new(PAGE * (PAGES + 1)).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new shared mapping at a place that the kernel chooses; nobody else knows it.
        let memory = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &event, 0) }?;
        Ok(Self { memory: memory.cast(), events: vec![event], scratch: Vec::new() })
    }

    /// Lets another thread's samples into this ring.
    pub(crate) fn add(&mut self, tid: i32, cpu: i32, rate: u64) -> io::Result<()> {
        let event = open(tid, cpu, rate)?;
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

    /// Hands over what has come since the last call; answers how many samples the kernel lost for want of
    /// room.
    pub(crate) fn drain(&mut self, mut taken: impl FnMut(Taken<'_>)) -> u64 {
        const LENGTH: usize = PAGE * PAGES;
        let page = self.memory.as_ptr();
        // SAFETY: the kernel's half of the protocol is atomic stores to `data_head`; the field is aligned
        // and lives as long as the mapping.
        let head =
            unsafe { AtomicU64::from_ptr(&raw mut (*page).data_head) }.load(Ordering::Acquire);
        // SAFETY: as above; only we write `data_tail`.
        let tail_cell = unsafe { AtomicU64::from_ptr(&raw mut (*page).data_tail) };
        let mut tail = tail_cell.load(Ordering::Relaxed);
        let mut lost = 0;
        while tail < head {
            let header = self.bytes(tail, 8, LENGTH);
            let kind = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let size = usize::from(u16::from_le_bytes([header[6], header[7]]));
            if size < 8 {
                break;
            }
            let record = self.bytes(tail, size, LENGTH);
            match kind {
                raw::PERF_RECORD_LOST => lost += word(record, 16).unwrap_or(0),
                raw::PERF_RECORD_SAMPLE => {
                    if let Some(sample) = parse(record) {
                        taken(sample);
                    }
                }
                _ => {}
            }
            tail += size as u64;
        }
        tail_cell.store(tail.max(head), Ordering::Release);
        lost
    }

    /// A piece of the ring, put together where it goes around its end.
    fn bytes(&mut self, at: u64, length: usize, ring: usize) -> &[u8] {
        let begin = (at as usize) % ring;
        let first = length.min(ring - begin);
        self.scratch.clear();
        // SAFETY: the data pages follow the first page; `begin + first` and the rest stay within them, and
        // the kernel does not write what lies between `data_tail` and `data_head`.
        unsafe {
            let data = self.memory.as_ptr().cast::<u8>().add(PAGE);
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
        let _ = unsafe { munmap(self.memory.cast(), PAGE * (PAGES + 1)) };
    }
}

fn open(tid: i32, cpu: i32, rate: u64) -> io::Result<OwnedFd> {
    let mut attributes = raw::perf_event_attr {
        size: size_of::<raw::perf_event_attr>() as u32,
        type_: raw::PERF_TYPE_SOFTWARE,
        config: raw::PERF_COUNT_SW_CPU_CLOCK.into(),
        sample_type: u64::from(
            raw::PERF_SAMPLE_TID | raw::PERF_SAMPLE_REGS_USER | raw::PERF_SAMPLE_STACK_USER,
        ),
        sample_regs_user: PERF_REGISTERS,
        sample_stack_user: STACK,
        ..Default::default()
    };
    attributes.__bindgen_anon_1.sample_freq = rate;
    attributes.__bindgen_anon_2.wakeup_watermark = (PAGE * PAGES / 4) as u32;
    attributes.set_freq(1);
    attributes.set_watermark(1);
    attributes.set_disabled(1);
    attributes.set_inherit(1);
    attributes.set_exclude_kernel(1);
    attributes.set_exclude_hv(1);
    let flags = u64::from(raw::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: the attributes are filled as the kernel wants them, and are only read.
    let event = unsafe { perf_event_open(&raw mut attributes, tid, cpu, -1, flags) };
    match event {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: a new descriptor that nobody else owns.
        event => Ok(unsafe { OwnedFd::from_raw_fd(event) }),
    }
}

/// perf_event_open(2), PERF_RECORD_SAMPLE with the three parts that [`open`] asks for.
fn parse(record: &[u8]) -> Option<Taken<'_>> {
    let tid = (word(record, 8)? >> 32) as i32;
    let abi = word(record, 16)?;
    if abi == 0 {
        return None; // no user part: a kernel thread's
    }
    let mut values = [0; PERF_REGISTER_COUNT];
    for (place, value) in values.iter_mut().enumerate() {
        *value = word(record, 24 + place * 8)?;
    }
    let at = 24 + PERF_REGISTER_COUNT * 8;
    let size = usize::try_from(word(record, at)?).ok()?;
    let stack = record.get(at + 8..at.checked_add(8)?.checked_add(size)?)?;
    let used = word(record, at + 8 + size).map_or(0, |used| used as usize);
    Some(Taken { tid, registers: Registers::of_sample(values), stack: stack.get(..used)? })
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_record_harms(record in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(sample) = parse(&record) {
                prop_assert!(sample.stack.len() <= record.len());
            }
        }
    }
}
