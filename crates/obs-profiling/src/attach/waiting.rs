//! Threads that wait in the kernel, read without stopping them: `/proc/PID/task/TID/syscall`.

use std::fs;

use crate::arch::Registers;

/// Where a thread waits; `None` while it runs, or when it has ended.
pub(crate) fn registers(pid: i32, tid: i32) -> Option<Registers> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    parse(&text)
}

/// The last two words are the stack and the instruction pointer; a thread that runs has but one word.
fn parse(text: &str) -> Option<Registers> {
    let mut words = text.split_ascii_whitespace().rev();
    let hexadecimal = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let instruction = hexadecimal(words.next()?)?;
    let stack = hexadecimal(words.next()?)?;
    Some(Registers::of_waiting(instruction, stack))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_has_two_pointers() {
        let text = "232 0x4 0x7f 0x400 0xffff 0x0 0x0 0x7ffe0010 0x7f001234\n";
        let registers = parse(text).expect("registers");
        assert_eq!(registers.stack_pointer(), 0x7ffe_0010);
        assert_eq!(registers.for_unwinding().0, 0x7f00_1234);
    }

    #[test]
    fn a_running_thread_has_none() {
        assert!(parse("running\n").is_none());
        assert!(parse("").is_none());
    }
}
