//! Programs and situations that are out of the ordinary: each gets a right answer or one clear line.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use obs_profiling::{Dump, Error, Method, NoStackReason, Recording, Stack, dump, record};
use obs_testing::skipped;
use obs_testing::target::{Built, THREADS, start};

/// Whether nothing can be read here at all, which is said.
fn is_denied<T>(read: &Result<T, Error>) -> bool {
    match read {
        Err(error) if error.is_denied() => {
            skipped(error);
            true
        }
        _ => false,
    }
}

/// The stack of the thread that waits, by both methods; and that of the one that works.
fn stacks(built: &Built) -> Option<(Stack, Stack, Stack)> {
    let (stopped, nonstop) = (dump(built.pid(), Method::Stop), dump(built.pid(), Method::Nonstop));
    if is_denied(&stopped) {
        return None;
    }
    let (stopped, nonstop) = (stopped.unwrap(), nonstop.unwrap());
    let of = |dump: &Dump, name: &str| {
        let thread = dump.threads.iter().find(|thread| thread.name == name).unwrap();
        thread.stack.clone().unwrap()
    };
    Some((of(&stopped, "waiter"), of(&nonstop, "waiter"), of(&stopped, "burner")))
}

fn has(stack: &Stack, function: &str) -> bool {
    stack.frames.iter().any(|frame| frame.function.contains(function))
}

#[test]
fn program_without_debug_information_has_named_functions() {
    let Some(built) = start(&["-C", "opt-level=3", "-C", "debuginfo=0"]) else { return };
    let Some((stopped, nonstop, burner)) = stacks(&built) else { return };
    for stack in [&stopped, &nonstop] {
        assert!(stack.is_complete && has(stack, "waits_for_ever"), "{stack}");
    }
    assert!(burner.is_complete && has(&burner, "burns_for_ever"), "{burner}");
}

#[test]
fn stripped_program_has_whole_stacks_of_addresses() {
    let Some(built) = start(&["-C", "opt-level=3", "-C", "strip=symbols"]) else { return };
    let Some((stopped, nonstop, burner)) = stacks(&built) else { return };
    for stack in [&stopped, &nonstop, &burner] {
        assert!(stack.is_complete && !has(stack, "for_ever"), "{stack}");
        let own = stack.frames.iter().find(|frame| frame.module.starts_with("program")).unwrap();
        assert!(own.function.starts_with("0x"), "{stack}");
    }
    // The system's libraries keep their dynamic symbols.
    assert!(has(&stopped, "clock_nanosleep") || has(&stopped, "nanosleep"), "{stopped}");
}

#[test]
fn panic_abort_keeps_unwind_tables() {
    let Some(built) = start(&["-C", "opt-level=3", "-C", "panic=abort"]) else { return };
    let Some((stopped, nonstop, burner)) = stacks(&built) else { return };
    for stack in [&stopped, &nonstop, &burner] {
        assert!(stack.is_complete && has(stack, "for_ever"), "{stack}");
    }
}

#[test]
fn stack_without_unwind_tables_is_marked_incomplete() {
    let flags = ["-C", "opt-level=3", "-C", "panic=abort", "-C", "force-unwind-tables=no"];
    let Some(built) = start(&flags) else { return };
    let Some((.., burner)) = stacks(&built) else { return };
    assert!(has(&burner, "burns_for_ever"), "{burner}");
    assert!(burner.is_complete || burner.to_string().contains("the rest is missing"), "{burner}");
}

#[test]
fn static_musl_program_is_read() {
    let flags = ["-C", "opt-level=3", "--target", "x86_64-unknown-linux-musl"];
    let Some(built) = start(&flags) else { return };
    let Some((stopped, nonstop, burner)) = stacks(&built) else { return };
    assert!(has(&burner, "burns_for_ever"), "{burner}");
    // musl's own functions have no unwind tables: what waits in them is cut there, and says so.
    for stack in [&stopped, &nonstop] {
        assert!(has(stack, "waits_for_ever") || !stack.is_complete, "{stack}");
    }
}

#[test]
fn two_thousand_threads_are_read() {
    let Some(built) = start(&["-C", "opt-level=3", "--cfg", "many"]) else { return };
    let read = dump(built.pid(), Method::Stop);
    if is_denied(&read) {
        return;
    }
    let dump = read.unwrap();
    let stacks = dump.threads.iter().filter_map(|thread| thread.stack.as_ref().ok());
    let whole = stacks.filter(|stack| stack.is_complete);
    assert!(whole.clone().count() >= THREADS);
    assert!(whole.filter(|stack| has(stack, "waits_for_ever")).count() > THREADS / 2);
    // Every copy of a stack is bounded: what stays is less than a megabyte a thread by far.
    assert!(peak() < 512 << 10, "{} KiB", peak());

    // A descriptor for each thread on each processor is more than there may be.
    let recording = Recording { duration: Duration::from_secs(300), ..Recording::default() };
    match record(built.pid(), recording, |progress| progress.samples < 20) {
        Ok(profile) => {
            assert!(profile.functions().iter().any(|it| it.0.contains("burns_for_ever")));
        }
        Err(error) => assert!(error.to_string().contains("ulimit -n"), "{error}"),
    }
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A parent waits for its `vfork` child in a way that cannot be interrupted.
#[test]
fn unstoppable_thread_is_listed_without_stack() {
    let Some(built) = start(&["-C", "opt-level=3", "--cfg", "forks"]) else { return };
    let read = dump(built.pid(), Method::Stop);
    if is_denied(&read) {
        return;
    }
    let dump = read.unwrap();
    let forker = dump.threads.iter().find(|thread| thread.name == "forker").unwrap();
    assert_eq!(forker.stack.as_ref().err(), Some(&NoStackReason::Unstoppable), "{dump}");
    let waiter = dump.threads.iter().find(|thread| thread.name == "waiter").unwrap();
    assert!(waiter.stack.as_ref().is_ok_and(|stack| has(stack, "waits_for_ever")), "{dump}");
}

/// Ends with the test.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn process_under_debugger_is_denied_with_reason() {
    let Some(built) = start(&["-C", "opt-level=3"]) else { return };
    let pid = built.pid().to_string();
    let tracer = Command::new("gdb")
        .args(["-batch", "-nx", "-p", &pid, "-ex", "shell sleep 20"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let Ok(tracer) = tracer else { return skipped("gdb is not installed") };
    let _tracer = Tracer(tracer);
    let is_traced = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        !status.contains("TracerPid:\t0\n")
    };
    while !is_traced() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let error = dump(built.pid(), Method::Stop).unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("debugger"), "{error}");
}
