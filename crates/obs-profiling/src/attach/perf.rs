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
const MAX_STACK_BYTES: u64 = 65_528;
const MIN_STACK_BYTES: u64 = 16 * 1024;
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

/// A thread used the processor.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    /// When, by the kernel's clock: nanoseconds.
    pub(crate) time: u64,
    /// The addresses of the kernel's own stack, the innermost first; empty where the thread was not in the
    /// kernel.
    pub(crate) kernel: Vec<u64>,
    pub(crate) registers: Registers,
    pub(crate) stack: &'a [u8],
}

/// What became of a process, or of a thread of it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    /// When, by the kernel's clock: nanoseconds.
    pub(crate) time: u64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// Code was mapped.
    Mapped(Mapping),
    /// The thread was given a name.
    Named(String),
    /// The process executes another program, and its first thread has that name.
    Executes(String),
    /// The thread was started by a thread of this process; and the process, where it is another.
    Started { by: i32, by_tid: i32 },
    /// The thread has ended.
    Ended,
}

/// Begins disabled. The threads and processes that the thread starts are sampled, too.
pub(crate) fn open(event: Event) -> io::Result<OwnedFd> {
    let mut attributes = raw::perf_event_attr {
        size: size_of::<raw::perf_event_attr>() as u32,
        type_: raw::PERF_TYPE_SOFTWARE,
        config: raw::PERF_COUNT_SW_CPU_CLOCK.into(),
        sample_type: u64::from(
            raw::PERF_SAMPLE_TID
                | raw::PERF_SAMPLE_TIME
                | raw::PERF_SAMPLE_CALLCHAIN
                | raw::PERF_SAMPLE_REGS_USER
                | raw::PERF_SAMPLE_STACK_USER,
        ),
        sample_regs_user: PERF_REGISTERS,
        sample_stack_user: stack(event.rate),
        ..Default::default()
    };
    attributes.__bindgen_anon_1.sample_freq = event.rate;
    attributes.__bindgen_anon_2.wakeup_watermark = (ring::MAX_RING_BYTES / 16) as u32;
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
    attributes.set_task(1);
    // Every record has its time.
    attributes.set_sample_id_all(1);
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
    (room.clamp(MIN_STACK_BYTES, MAX_STACK_BYTES) / 8 * 8) as u32
}

/// Records that did not fit.
pub(crate) fn lost(record: &[u8]) -> Option<u64> {
    (half(record, 0)? == raw::PERF_RECORD_LOST).then(|| word(record, 16))?
}

/// perf_event_open(2), "MMAP layout"; `None` for what is no change.
pub(crate) fn change(record: &[u8]) -> Option<Change> {
    let kind = half(record, 0)?;
    let is_task = matches!(kind, raw::PERF_RECORD_FORK | raw::PERF_RECORD_EXIT);
    // Of the others, pid and tid come first.
    let tid = half(record, if is_task { 16 } else { 12 })? as i32;
    let what = match kind {
        raw::PERF_RECORD_MMAP2 => What::Mapped(mapped(record)?),
        raw::PERF_RECORD_COMM => {
            let name = super::threads::printable(&text(record.get(16..)?));
            let is_exec = half(record, 4)? & raw::PERF_RECORD_MISC_COMM_EXEC != 0;
            if is_exec { What::Executes(name) } else { What::Named(name) }
        }
        raw::PERF_RECORD_FORK => {
            What::Started { by: half(record, 12)? as i32, by_tid: half(record, 20)? as i32 }
        }
        raw::PERF_RECORD_EXIT => What::Ended,
        _ => return None,
    };
    // The last word: `sample_id_all` with PERF_SAMPLE_TID and PERF_SAMPLE_TIME.
    let time = word(record, record.len().checked_sub(8)?)?;
    Some(Change { pid: half(record, 8)? as i32, tid, time, what })
}

/// Its parts are those that [`open`] asks for. `None` for other records, and for a thread of the kernel.
pub(crate) fn sample(record: &[u8]) -> Option<Sample<'_>> {
    if half(record, 0)? != raw::PERF_RECORD_SAMPLE {
        return None;
    }
    let (pid, tid) = (half(record, 8)? as i32, half(record, 12)? as i32);
    let time = word(record, 16)?;
    let chain = usize::try_from(word(record, 24)?).ok()?.checked_mul(8)?;
    let (chain, record) = record.get(32..)?.split_at_checked(chain)?;
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
    Some(Sample { pid, tid, time, kernel, registers, stack: stack.get(..used)? })
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

fn mapped(record: &[u8]) -> Option<Mapping> {
    let begin = word(record, 16)?;
    Some(Mapping {
        range: begin..begin.checked_add(word(record, 24)?)?,
        executable: true,
        offset: word(record, 32)?,
        device: (half(record, 40)?, half(record, 44)?),
        inode: word(record, 48)?,
        path: text(record.get(72..)?),
    })
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

    fn record(kind: u32, misc: u16, halves: &[u32], rest: &[u8]) -> Vec<u8> {
        let mut record = [kind.to_le_bytes(), [misc as u8, (misc >> 8) as u8, 0, 0]].concat();
        record.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        record.extend(rest);
        // `sample_id`: pid, tid and time.
        record.extend([7_u32, 8].map(u32::to_le_bytes).concat());
        record.extend(99_u64.to_le_bytes());
        record
    }

    #[test]
    fn mmap_record_is_parsed() {
        let words = [0x7f00_0000_1000_u64, 0x2000, 0x1000, 3 << 32 | 9, 42, 0, 5];
        let rest = [words.map(u64::to_le_bytes).concat(), b"/lib/libc.so.6\0\0".to_vec()].concat();
        let change = change(&record(raw::PERF_RECORD_MMAP2, 0, &[7, 8], &rest)).expect("a change");
        assert_eq!((change.pid, change.tid, change.time), (7, 8, 99));
        let What::Mapped(mapping) = change.what else { panic!("{change:?}") };
        assert_eq!(mapping.range, 0x7f00_0000_1000..0x7f00_0000_3000);
        assert_eq!((mapping.offset, mapping.device, mapping.inode), (0x1000, (9, 3), 42));
        assert_eq!(mapping.path, "/lib/libc.so.6");
    }

    #[test]
    fn comm_fork_and_exit_records_are_parsed() {
        let halves = [20, 7, 21, 8, 0, 0];
        let started = change(&record(raw::PERF_RECORD_FORK, 0, &halves, &[])).expect("a change");
        assert_eq!((started.pid, started.tid, started.time), (20, 21, 99));
        assert!(matches!(started.what, What::Started { by: 7, by_tid: 8 }), "{started:?}");
        let ended = change(&record(raw::PERF_RECORD_EXIT, 0, &halves, &[])).expect("a change");
        assert!(matches!((ended.tid, &ended.what), (21, What::Ended)), "{ended:?}");
        let name = |misc| change(&record(raw::PERF_RECORD_COMM, misc, &[7, 8], b"sh\0\0\0\0\0\0"));
        let exec = raw::PERF_RECORD_MISC_COMM_EXEC as u16;
        assert!(matches!(name(exec).expect("a change").what, What::Executes(name) if name == "sh"));
        assert!(matches!(name(0).expect("a change").what, What::Named(name) if name == "sh"));
    }

    #[test]
    fn stack_bytes_shrink_as_rate_grows() {
        assert_eq!([1, 99, 250].map(stack), [65_528; 3]);
        assert_eq!(stack(500), 33_552);
        assert_eq!([1_000, 5_000, u64::MAX].map(stack), [16_776, 16_384, 16_384]);
    }

    proptest! {
        #[test]
        fn arbitrary_record_is_parsed_without_panic(mut record in proptest::collection::vec(any::<u8>(), 4..300), kind in 0..12_u8) {
            record[..4].copy_from_slice(&u32::from(kind).to_le_bytes());
            let (_, _) = (change(&record), lost(&record));
            if let Some(Sample { stack, .. }) = sample(&record) {
                prop_assert!(stack.len() <= record.len());
            }
        }
    }
}
