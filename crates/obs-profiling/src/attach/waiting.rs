//! Threads that wait in the kernel, read without stopping them: `/proc/PID/task/TID/syscall`.

use std::fs;

use crate::arch::Registers;

/// A thread in a system call: which, with what, and where. Equal where it has not come back meanwhile, or
/// to the same call in the same place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    call: String,
    instruction: u64,
    stack: u64,
}

impl Wait {
    /// `None` while it runs, or when it has ended.
    pub(crate) fn of(pid: i32, tid: i32) -> Option<Self> {
        Self::parse(fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?)
    }

    /// The last two words are the stack and the instruction pointer; a thread that runs has but one word.
    fn parse(text: String) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().rev();
        let hexadecimal = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        let instruction = hexadecimal(words.next()?)?;
        let stack = hexadecimal(words.next()?)?;
        Some(Self { call: text, instruction, stack })
    }

    pub(crate) fn registers(&self) -> Registers {
        Registers::of_waiting(self.instruction, self.stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_thread_has_stack_and_instruction_pointer() {
        let text = "232 0x4 0x7f 0x400 0xffff 0x0 0x0 0x7ffe0010 0x7f001234\n";
        let registers = Wait::parse(text.to_owned()).expect("it waits").registers();
        assert_eq!(registers.stack_pointer(), 0x7ffe_0010);
        assert_eq!(registers.for_unwinding().0, 0x7f00_1234);
    }

    #[test]
    fn running_thread_has_no_registers() {
        assert!(Wait::parse("running\n".to_owned()).is_none());
        assert!(Wait::parse(String::new()).is_none());
    }
}
