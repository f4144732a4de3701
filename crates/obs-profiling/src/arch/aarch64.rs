//! What is special about 64-bit ARM: registers. Checked to compile; it has not run.

#![allow(unsafe_code, reason = "registers, and a copy that sanitizers do not see")]

use framehop::UnwindRegsNative;

/// What an unwinder begins with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Registers {
    instruction: u64,
    stack: u64,
    frame: u64,
    link: u64,
}

/// Bits of `perf_event_attr.sample_regs_user`, <asm/perf_regs.h>: X29, LR, SP and PC, in this order.
pub(crate) const PERF_REGISTERS: u64 = 0b1111 << 29;
pub(crate) const PERF_REGISTER_COUNT: usize = 4;

/// Frames hang on the link register and the stack here: nothing to recover.
pub(crate) fn with_frame_pointer(
    _: UnwindRegsNative,
    _: &mut impl FnMut(u64, u64) -> Option<u64>,
) -> Option<UnwindRegsNative> {
    None
}

/// Not derived from the code here.
pub(crate) fn frame_pointer_offset(_: &[u8]) -> Option<u64> {
    None
}

/// Copies memory that no sanitizer knows as ours to read, such as what lies between variables.
///
/// # Safety
///
/// So many bytes must be mapped at both places.
pub(crate) unsafe fn copy(from: u64, to: *mut u8, count: usize) {
    // SAFETY: as the caller promises: whole words, then the bytes that are left.
    unsafe {
        std::arch::asm!(
            "2:",
            "cmp {words}, #0",
            "b.eq 3f",
            "ldr {word}, [{from}], #8",
            "str {word}, [{to}], #8",
            "sub {words}, {words}, #1",
            "b 2b",
            "3:",
            "cmp {bytes}, #0",
            "b.eq 4f",
            "ldrb {word:w}, [{from}], #1",
            "strb {word:w}, [{to}], #1",
            "sub {bytes}, {bytes}, #1",
            "b 3b",
            "4:",
            words = inout(reg) count / 8 => _,
            bytes = inout(reg) count % 8 => _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            word = out(reg) _,
            options(nostack),
        );
    }
}

/// A clock of its own rate, which is read without touching memory.
pub(crate) fn ticks() -> u64 {
    let ticks;
    // SAFETY: it reads a register that Linux lets programs read.
    unsafe { std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

impl Registers {
    /// Of a thread that is stopped under ptrace.
    pub(crate) fn of_thread(registers: &libc::user_regs_struct) -> Self {
        let [.., frame, link] = registers.regs;
        Self { instruction: registers.pc, stack: registers.sp, frame, link }
    }

    /// As a perf sample has them, in the order of their bits.
    pub(crate) fn of_sample([frame, link, stack, instruction]: [u64; PERF_REGISTER_COUNT]) -> Self {
        Self { instruction, stack, frame, link }
    }

    /// Of this very place.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let (instruction, stack, frame, link);
        // SAFETY: it reads registers.
        unsafe {
            std::arch::asm!(
                "adr {}, .", "mov {}, sp", "mov {}, x29", "mov {}, x30",
                out(reg) instruction, out(reg) stack, out(reg) frame, out(reg) link,
                options(nomem, nostack, preserves_flags),
            );
        }
        Self { instruction, stack, frame, link }
    }

    /// Of a thread that a signal interrupts.
    pub(crate) fn of_signal(context: &libc::ucontext_t) -> Self {
        let registers = &context.uc_mcontext;
        let [.., frame, link] = registers.regs;
        Self { instruction: registers.pc, stack: registers.sp, frame, link }
    }

    /// Of a thread that waits in the kernel, of which these two are known.
    pub(crate) fn of_waiting(instruction: u64, stack: u64) -> Self {
        Self { instruction, stack, frame: 0, link: 0 }
    }

    pub(crate) fn stack_pointer(&self) -> u64 {
        self.stack
    }

    pub(crate) fn for_unwinding(&self) -> (u64, UnwindRegsNative) {
        (self.instruction, UnwindRegsNative::new(self.link, self.stack, self.frame))
    }
}
