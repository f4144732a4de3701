//! The kernel's sampler: `perf_event_open(2)` and the records that it writes.

#![allow(unsafe_code, reason = "a system call")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use perf_event_open_sys::bindings as raw;
use perf_event_open_sys::perf_event_open;

use crate::arch::{PERF_REGISTER_COUNT, PERF_REGISTERS, Registers};
use crate::attach::maps::Mapping;
use crate::attach::ring;

/// The most that a sample can carry, and what it carries at least; multiples of 8.
const DEEPEST_STACK: u64 = 65_528;
const LEAST_STACK: u64 = 16 * 1024;
/// Bytes of stacks in a second of a processor's time. A ring lasts for an eighth of a second then, whatever
/// the rate.
const STACKS_A_SECOND: u64 = 16 << 20;

/// A thread, a processor and a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// 0 for the calling thread.
    pub(crate) tid: i32,
    pub(crate) cpu: i32,
    /// Samples a second of the thread's CPU time.
    pub(crate) rate: u64,
    /// Whether only what the thread starts is sampled, from the moment on at which it executes a program.
    pub(crate) from_exec: bool,
    /// Whether time in the kernel is sampled, too: `perf_event_paranoid` of 1 or less, or CAP_PERFMON.
    pub(crate) with_kernel: bool,
}

/// What the kernel tells.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// A thread used the processor.
    ///
    /// `kernel` has the addresses of the kernel's own stack, the innermost first; it is empty where the
    /// thread was not in the kernel.
    Sample { pid: i32, tid: i32, kernel: Vec<u64>, registers: Registers, stack: &'a [u8] },
    /// Code was mapped.
    Mapped { pid: i32, mapping: Mapping },
    /// A thread was given a name.
    Named { tid: i32, name: String },
    /// So many records did not fit.
    Lost(u64),
}

/// Begins disabled. The threads and processes that the thread starts are sampled, too.
pub(crate) fn open(event: Event) -> io::Result<OwnedFd> {
    let mut attributes = raw::perf_event_attr {
        size: size_of::<raw::perf_event_attr>() as u32,
        type_: raw::PERF_TYPE_SOFTWARE,
        config: raw::PERF_COUNT_SW_CPU_CLOCK.into(),
        sample_type: u64::from(
            raw::PERF_SAMPLE_TID
                | raw::PERF_SAMPLE_CALLCHAIN
                | raw::PERF_SAMPLE_REGS_USER
                | raw::PERF_SAMPLE_STACK_USER,
        ),
        sample_regs_user: PERF_REGISTERS,
        sample_stack_user: stack(event.rate),
        ..Default::default()
    };
    attributes.__bindgen_anon_1.sample_freq = event.rate;
    attributes.__bindgen_anon_2.wakeup_watermark = (ring::LARGEST / 16) as u32;
    attributes.set_freq(1);
    attributes.set_watermark(1);
    attributes.set_disabled(1);
    attributes.set_enable_on_exec(event.from_exec.into());
    attributes.set_inherit(1);
    attributes.set_exclude_kernel((!event.with_kernel).into());
    // The thread's own frames are unwound from its stack.
    attributes.set_exclude_callchain_user(1);
    attributes.set_exclude_callchain_kernel((!event.with_kernel).into());
    attributes.set_exclude_hv(1);
    attributes.set_mmap(1);
    attributes.set_mmap2(1);
    attributes.set_comm(1);
    let flags = u64::from(raw::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: the attributes are filled as the kernel wants them, and are only read.
    let opened = unsafe { perf_event_open(&raw mut attributes, event.tid, event.cpu, -1, flags) };
    match opened {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: a new descriptor that nobody else owns.
        opened => Ok(unsafe { OwnedFd::from_raw_fd(opened) }),
    }
}

/// Bytes of stack that a sample carries. Builds without optimisation have large frames: at usual rates they
/// are followed four times as deep as at the highest.
fn stack(rate: u64) -> u32 {
    let room = STACKS_A_SECOND / rate.max(1);
    (room.clamp(LEAST_STACK, DEEPEST_STACK) / 8 * 8) as u32
}

/// perf_event_open(2), "MMAP layout"; `None` for what says nothing here.
pub(crate) fn parse(record: &[u8]) -> Option<Record<'_>> {
    match half(record, 0)? {
        raw::PERF_RECORD_SAMPLE => sample(record),
        raw::PERF_RECORD_MMAP2 => mapped(record),
        raw::PERF_RECORD_COMM => {
            let tid = half(record, 12)? as i32;
            let name = super::threads::printable(&text(record.get(16..)?));
            Some(Record::Named { tid, name })
        }
        raw::PERF_RECORD_LOST => Some(Record::Lost(word(record, 16)?)),
        _ => None,
    }
}

/// Its four parts are those that [`open`] asks for.
fn sample(record: &[u8]) -> Option<Record<'_>> {
    let (pid, tid) = (half(record, 8)? as i32, half(record, 12)? as i32);
    let chain = usize::try_from(word(record, 16)?).ok()?.checked_mul(8)?;
    let (chain, record) = record.get(24..)?.split_at_checked(chain)?;
    let kernel = kernel_addresses(chain);
    let abi = word(record, 0)?;
    if abi == 0 {
        return None; // no user part: a kernel thread's
    }
    let mut values = [0; PERF_REGISTER_COUNT];
    for (place, value) in values.iter_mut().enumerate() {
        *value = word(record, 8 + place * 8)?;
    }
    let at = 8 + PERF_REGISTER_COUNT * 8;
    let size = usize::try_from(word(record, at)?).ok()?;
    let stack = record.get(at + 8..at.checked_add(8)?.checked_add(size)?)?;
    let used = word(record, at + 8 + size).map_or(0, |used| used as usize);
    let registers = Registers::of_sample(values);
    Some(Record::Sample { pid, tid, kernel, registers, stack: stack.get(..used)? })
}

/// The chain without its marks, which say whose the addresses are that follow (perf_event_open(2),
/// "PERF_CONTEXT_"): only the kernel's are asked for.
fn kernel_addresses(chain: &[u8]) -> Vec<u64> {
    const FIRST_MARK: u64 = -4095_i64 as u64;
    let addresses = chain.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    addresses.filter(|address| is_of_kernel(*address) && *address < FIRST_MARK).collect()
}

/// The upper half of the address space is the kernel's, on x86-64 and on 64-bit ARM.
pub(crate) fn is_of_kernel(address: u64) -> bool {
    address >> 63 == 1
}

fn mapped(record: &[u8]) -> Option<Record<'_>> {
    let begin = word(record, 16)?;
    let mapping = Mapping {
        range: begin..begin.checked_add(word(record, 24)?)?,
        executable: true,
        offset: word(record, 32)?,
        inode: word(record, 48)?,
        path: text(record.get(72..)?),
    };
    Some(Record::Mapped { pid: half(record, 8)? as i32, mapping })
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mapping_is_read() {
        let mut record = Vec::new();
        record.extend(raw::PERF_RECORD_MMAP2.to_le_bytes());
        record.extend([0; 4]); // misc and size
        record.extend([7_u32, 8].map(u32::to_le_bytes).concat());
        let words = [0x7f00_0000_1000_u64, 0x2000, 0x1000, 0, 42, 0, 5];
        record.extend(words.map(u64::to_le_bytes).concat());
        record.extend(b"/lib/libc.so.6\0\0");
        let Some(Record::Mapped { pid: 7, mapping }) = parse(&record) else { panic!("none") };
        assert_eq!(mapping.range, 0x7f00_0000_1000..0x7f00_0000_3000);
        assert_eq!((mapping.offset, mapping.inode), (0x1000, 42));
        assert_eq!(mapping.path, "/lib/libc.so.6");
    }

    #[test]
    fn the_rarer_the_deeper() {
        assert_eq!([1, 99, 250].map(stack), [65_528; 3]);
        assert_eq!(stack(500), 33_552);
        assert_eq!([1_000, 5_000, u64::MAX].map(stack), [16_776, 16_384, 16_384]);
    }

    proptest! {
        #[test]
        fn no_record_harms(mut record in proptest::collection::vec(any::<u8>(), 4..300), kind in 0..12_u8) {
            record[..4].copy_from_slice(&u32::from(kind).to_le_bytes());
            if let Some(Record::Sample { stack, .. }) = parse(&record) {
                prop_assert!(stack.len() <= record.len());
            }
        }
    }
}
