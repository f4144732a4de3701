//! Stacks of another process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use obs_profiling::{Dump, Method, NoStackReason, Stack, dump};
use obs_testing::target::{self, Target};

#[test]
fn child() {
    target::be_the_target();
}

/// What was read; `None` where the system does not let us look, which is said.
fn read(target: &Target, method: Method) -> Option<Dump> {
    match dump(target.pid(), method) {
        Ok(dump) => Some(dump),
        Err(error) if error.is_denied() => {
            obs_testing::skipped(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn stack<'a>(dump: &'a Dump, thread: &str) -> &'a Stack {
    let found = dump.threads.iter().find(|one| one.name == thread).unwrap();
    found.stack.as_ref().unwrap()
}

fn has(stack: &Stack, function: &str) -> bool {
    stack.frames.iter().any(|frame| frame.function.contains(function))
}

#[test]
fn dump_has_whole_stack_of_every_thread() {
    let target = Target::start();
    let Some(dump) = read(&target, Method::Stop) else { return };
    assert!(dump.threads.len() >= 22, "{dump}");
    for thread in &dump.threads {
        assert!(thread.stack.as_ref().is_ok_and(|stack| stack.is_complete), "{thread}");
        assert!(!thread.paused_for.is_zero());
    }
    let waiter = stack(&dump, "waiter-7");
    assert!(has(waiter, "waits_for_ever") && has(waiter, "sleep"), "{waiter}");
    let burner = stack(&dump, "burner");
    assert!(
        has(burner, "two_parts") || has(burner, "one_part") || has(burner, "burns"),
        "{burner}"
    );
    let ours = waiter.frames.iter().find(|frame| frame.function.contains("waits_for_ever"));
    let (file, line) = ours.unwrap().place.clone().unwrap();
    assert!(file.ends_with("src/target/mod.rs") && line > 0, "{file}:{line}");
}

#[test]
fn nonstop_dump_reads_only_waiting_threads() {
    let target = Target::start();
    let Some(dump) = read(&target, Method::Nonstop) else { return };
    let waiting = dump.threads.iter().filter(|thread| thread.name.starts_with("waiter"));
    let mut count = 0;
    for thread in waiting {
        assert!(thread.stack.as_ref().is_ok_and(|stack| stack.is_complete), "{thread}");
        assert!(thread.paused_for.is_zero());
        count += 1;
    }
    assert_eq!(count, 20);
    let burner = dump.threads.iter().find(|thread| thread.name == "burner").unwrap();
    assert_eq!(burner.stack.as_ref().err(), Some(&NoStackReason::Running));
}

#[test]
fn process_continues_after_dump() {
    let mut target = Target::start();
    for _ in 0..3 {
        let Some(dump) = read(&target, Method::Stop) else { return };
        assert!(!dump.threads.is_empty());
    }
    assert!(target.is_running());
    let state = std::fs::read_to_string(format!("/proc/{}/stat", target.pid())).unwrap();
    assert!(!state.contains(") t "), "it is stopped: {state}");
}

#[test]
fn deleted_program_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("gone");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let target = Target::start_program(&program);
    drop(folder);
    let Some(dump) = read(&target, Method::Stop) else { return };
    let waiter = dump.threads.iter().find(|thread| thread.name == "waiter-7").unwrap();
    assert!(waiter.stack.as_ref().is_ok_and(|stack| stack.is_complete), "{waiter}");
}

#[test]
fn dump_of_missing_process_is_error() {
    let mut target = Target::start();
    let pid = target.pid();
    target.kill();
    target.wait();
    let error = dump(pid, Method::Stop).unwrap_err();
    assert!(error.is_gone(), "{error}");
    assert!(error.to_string().contains(&format!("no process {pid}")), "{error}");
}

#[test]
fn dump_of_own_process_is_denied_with_remedy() {
    // Nobody may trace itself.
    let own = i32::try_from(std::process::id()).unwrap();
    let error = dump(own, Method::Stop).unwrap_err();
    assert!(error.is_denied() && error.to_string().contains("CAP_SYS_PTRACE"), "{error}");
}
