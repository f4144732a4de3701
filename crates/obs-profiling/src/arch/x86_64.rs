//! What is special about x86-64: registers.

#![allow(unsafe_code, reason = "registers, and a copy that sanitizers do not see")]

use framehop::UnwindRegsNative;

/// What an unwinder begins with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    instruction: u64,
    stack: u64,
    base: u64,
}

/// No address: whatever is read below it fails, and the unwinding stops there.
const UNKNOWN: u64 = 0x7eee_dead_beef_0000;

/// Bits of `perf_event_attr.sample_regs_user`, <asm/perf_regs.h>: BP, SP and IP, in this order.
pub(crate) const PERF_REGISTERS: u64 = 0b1_1100_0000;
pub(crate) const PERF_REGISTER_COUNT: usize = 3;

/// The same registers with the frame pointer of `recover`, if it was unknown.
pub(crate) fn with_frame_pointer(
    registers: UnwindRegsNative,
    recover: &mut impl FnMut(u64, u64) -> Option<u64>,
) -> Option<UnwindRegsNative> {
    if registers.bp() != UNKNOWN {
        return None;
    }
    let base = recover(registers.ip(), registers.sp())?;
    Some(UnwindRegsNative::new(registers.ip(), registers.sp(), base))
}

/// How far the frame pointer lies above the stack pointer in a function that keeps one, told by its first
/// instructions: `push rbp; mov rbp, rsp`, further pushes, and room for its variables.
pub(crate) fn frame_pointer_offset(code: &[u8]) -> Option<u64> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const PUSH_RBP: u8 = 0x55;
    const MOV_RBP_RSP: [[u8; 3]; 2] = [[0x48, 0x89, 0xe5], [0x48, 0x8b, 0xec]];
    let code = code.strip_prefix(&ENDBR64).unwrap_or(code);
    let code = code.strip_prefix(&[PUSH_RBP])?;
    let mut code = MOV_RBP_RSP.iter().find_map(|mov| code.strip_prefix(mov))?;
    let mut offset = 0;
    loop {
        code = match code {
            [0x50..=0x57, rest @ ..] | [0x41, 0x50..=0x57, rest @ ..] => {
                offset += 8;
                rest
            }
            // sub rsp, imm8 and imm32
            [0x48, 0x83, 0xec, room, ..] => return Some(offset + u64::from(*room)),
            [0x48, 0x81, 0xec, a, b, c, d, ..] => {
                return Some(offset + u64::from(u32::from_le_bytes([*a, *b, *c, *d])));
            }
            _ => return Some(offset),
        }
    }
}

/// Copies memory that no sanitizer knows as ours to read, such as what lies between variables.
///
/// # Safety
///
/// So many bytes must be mapped at both places.
pub(crate) unsafe fn copy(from: u64, to: *mut u8, count: usize) {
    // SAFETY: as the caller promises; the direction flag is clear by the calling convention.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") count => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

/// A clock of its own rate, which is read without touching memory.
pub(crate) fn ticks() -> u64 {
    // SAFETY: it reads a register that all these processors have.
    unsafe { std::arch::x86_64::_rdtsc() }
}

impl Registers {
    /// Of a thread that is stopped under ptrace.
    pub(crate) fn of_thread(registers: &libc::user_regs_struct) -> Self {
        Self { instruction: registers.rip, stack: registers.rsp, base: registers.rbp }
    }

    /// As a perf sample has them, in the order of their bits.
    pub(crate) fn of_sample([base, stack, instruction]: [u64; PERF_REGISTER_COUNT]) -> Self {
        Self { instruction, stack, base }
    }

    /// Of this very place.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let (instruction, stack, base);
        // SAFETY: it reads registers.
        unsafe {
            std::arch::asm!(
                "lea {}, [rip]", "mov {}, rsp", "mov {}, rbp",
                out(reg) instruction, out(reg) stack, out(reg) base,
                options(nomem, nostack, preserves_flags),
            );
        }
        Self { instruction, stack, base }
    }

    /// Of a thread that a signal interrupts.
    pub(crate) fn of_signal(context: &libc::ucontext_t) -> Self {
        let register = |number: libc::c_int| {
            let found = context.uc_mcontext.gregs.get(number as usize);
            found.map_or(0, |word| word.cast_unsigned())
        };
        Self {
            instruction: register(libc::REG_RIP),
            stack: register(libc::REG_RSP),
            base: register(libc::REG_RBP),
        }
    }

    /// Of a thread that waits in the kernel, of which these two are known.
    pub(crate) fn of_waiting(instruction: u64, stack: u64) -> Self {
        Self { instruction, stack, base: UNKNOWN }
    }

    pub(crate) fn stack_pointer(&self) -> u64 {
        self.stack
    }

    pub(crate) fn for_unwinding(&self) -> (u64, UnwindRegsNative) {
        (self.instruction, UnwindRegsNative::new(self.instruction, self.stack, self.base))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frame_pointer_offset_is_read_from_prologue() {
        // push rbp; mov rbp, rsp; push r15; push rbx; sub rsp, 0x28
        let code = [0x55, 0x48, 0x89, 0xe5, 0x41, 0x57, 0x53, 0x48, 0x83, 0xec, 0x28];
        assert_eq!(frame_pointer_offset(&code), Some(0x38));
        // sub rsp, 0x28: it keeps no frame pointer.
        assert_eq!(frame_pointer_offset(&[0x48, 0x83, 0xec, 0x28]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_code_is_parsed_without_panic(code in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = frame_pointer_offset(&code);
        }
    }
}
