//! Threads of a tokio runtime that have nothing to do, and those that have.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use obs_profiling::{Dump, Method, Stack, dump};
use obs_testing::target::Target;

#[test]
fn child() {
    if std::env::var_os("OBS_PROFILING_TARGET").is_none() {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(3).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async { polls_for_ever() });
        tokio::task::spawn_blocking(blocks_for_ever);
        // Another thread of the blocking pool, which has nothing to do afterwards.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        println!("target is ready");
        tokio::time::sleep(Duration::from_secs(120)).await;
    });
}

#[inline(never)]
fn polls_for_ever() {
    loop {
        black_box(1);
    }
}

#[inline(never)]
fn blocks_for_ever() {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn only_threads_without_work_are_idle() {
    let target = Target::start();
    let begun = Instant::now();
    // On a busy machine, they take their time to come to rest.
    let dump = loop {
        match dump(target.pid(), Method::Stop) {
            Ok(dump) if idle(&dump) == 3 || begun.elapsed() > Duration::from_secs(60) => {
                break dump;
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) if error.is_denied() => return obs_testing::skipped(error),
            Err(error) => panic!("{error}"),
        }
    };
    let threads = dump.threads.iter().filter(|thread| thread.name.starts_with("tokio-"));
    let stacks: Vec<&Stack> = threads.map(|thread| thread.stack.as_ref().unwrap()).collect();
    let has =
        |stack: &Stack, name: &str| stack.frames.iter().any(|frame| frame.function.contains(name));
    for name in ["polls_for_ever", "blocks_for_ever"] {
        let at_work = stacks.iter().find(|stack| has(stack, name)).unwrap();
        assert!(!at_work.is_idle(), "{at_work}");
    }
    // Two workers and a thread of the blocking pool.
    assert_eq!((stacks.len(), idle(&dump)), (5, 3), "{dump}");
}

fn idle(dump: &Dump) -> usize {
    let threads = dump.threads.iter().filter(|thread| thread.name.starts_with("tokio-"));
    threads.filter(|thread| thread.stack.as_ref().is_ok_and(Stack::is_idle)).count()
}
