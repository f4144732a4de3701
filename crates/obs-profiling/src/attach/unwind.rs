//! From registers and a copy of the stack to addresses.

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind, Unwinder as _};

use crate::arch::{self, Registers};
use crate::attach::image::Unwinder;

pub(crate) type Cache = CacheNative<MayAllocateDuringUnwind>;

/// Deeper stacks are cut, and say so.
const MAX_FRAMES: usize = 512;

/// The stack above the stack pointer, as it was when the registers were read.
#[derive(Debug)]
pub(crate) struct Captured<'a> {
    pub(crate) registers: Registers,
    pub(crate) stack: &'a [u8],
}

/// Addresses from the innermost frame out, each inside the instruction that was at work; and whether they
/// reach the thread's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Addresses {
    pub(crate) frames: Vec<u64>,
    pub(crate) is_complete: bool,
}

pub(crate) fn unwind(unwinder: &Unwinder, cache: &mut Cache, captured: &Captured<'_>) -> Addresses {
    let mut read = reader(captured);
    let (pointer, registers) = captured.registers.for_unwinding();
    let mut found = Addresses::default();
    let mut frames = unwinder.iter_frames(pointer, registers, cache, &mut read);
    while found.frames.len() < MAX_FRAMES {
        match frames.next() {
            Ok(Some(frame)) => found.frames.push(frame.address_for_lookup()),
            Ok(None) => {
                found.is_complete = true;
                break;
            }
            Err(_) => break,
        }
    }
    found
}

/// As [`unwind`], for a thread of which only two registers are known: where a caller's frame hangs on the
/// frame pointer, `recover` derives it from the code address and the stack pointer there.
pub(crate) fn unwind_waiting(
    unwinder: &Unwinder,
    cache: &mut Cache,
    captured: &Captured<'_>,
    mut recover: impl FnMut(u64, u64) -> Option<u64>,
) -> Addresses {
    let mut read = reader(captured);
    let (pointer, mut registers) = captured.registers.for_unwinding();
    let mut address = FrameAddress::from_instruction_pointer(pointer);
    let mut found = Addresses { frames: vec![pointer], is_complete: false };
    while found.frames.len() < MAX_FRAMES {
        let before = registers;
        let mut step = unwinder.unwind_frame(address, &mut registers, cache, &mut read);
        if step.is_err()
            && let Some(known) = arch::with_frame_pointer(before, &mut recover)
        {
            registers = known;
            step = unwinder.unwind_frame(address, &mut registers, cache, &mut read);
        }
        match step {
            Ok(Some(caller)) => {
                let Some(caller) = FrameAddress::from_return_address(caller) else {
                    found.is_complete = true;
                    break;
                };
                address = caller;
                found.frames.push(caller.address_for_lookup());
            }
            Ok(None) => {
                found.is_complete = true;
                break;
            }
            Err(_) => break,
        }
    }
    found
}

/// Reads the copy of the stack by the addresses that it had.
fn reader<'a>(captured: &Captured<'a>) -> impl FnMut(u64) -> Result<u64, ()> + use<'a> {
    let (base, stack) = (captured.registers.stack_pointer(), captured.stack);
    move |address| {
        let offset = usize::try_from(address.checked_sub(base).ok_or(())?).map_err(|_| ())?;
        let bytes = stack.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(())?;
        Ok(u64::from_le_bytes(*bytes))
    }
}
