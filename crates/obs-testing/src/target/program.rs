//! What the tests compile with special flags: see built.rs.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

fn main() {
    let count = if cfg!(many) { 2_000 } else { 1 };
    let threads = std::sync::Arc::new(std::sync::Barrier::new(count + 2));
    for _ in 0..count {
        spawn("waiter", &threads, || drop(black_box(waits_for_ever())));
    }
    spawn("burner", &threads, || drop(black_box(burns_for_ever())));
    threads.wait();
    #[cfg(forks)]
    std::thread::Builder::new().name("forker".into()).spawn(forks).unwrap();
    let forkers = if cfg!(forks) { 1 } else { 0 };
    while WAITING.load(Relaxed) < count || asleep("waiter", 'S') < count || asleep("forker", 'D') < forkers {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("ready");
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn spawn(name: &str, all: &std::sync::Arc<std::sync::Barrier>, work: impl FnOnce() + Send + 'static) {
    let all = std::sync::Arc::clone(all);
    let work = move || {
        all.wait();
        work();
    };
    let thread = std::thread::Builder::new().name(name.into()).stack_size(64 << 10);
    thread.spawn(work).unwrap();
}

/// How many threads of this name are where they stay: on a busy machine they take their time.
fn asleep(name: &str, state: char) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let asleep = format!("({name}) {state} ");
    stats.filter(|stat| stat.contains(&asleep)).count()
}

static WAITING: AtomicUsize = AtomicUsize::new(0);

#[inline(never)]
fn waits_for_ever() -> u32 {
    WAITING.fetch_add(1, Relaxed);
    loop {
        std::thread::sleep(black_box(Duration::from_secs(60)));
    }
}

#[inline(never)]
fn burns_for_ever() -> u64 {
    let mut sum = 1_u64;
    loop {
        sum = black_box(sum << 1 | 1);
    }
}

/// The child of a `vfork` borrows its parent's memory, and the parent waits until it gives it back.
#[cfg(forks)]
fn forks() {
    unsafe extern "C" {
        fn vfork() -> i32;
        fn sleep(seconds: u32) -> u32;
        fn _exit(code: i32) -> !;
        fn prctl(option: i32, argument: u64) -> i32;
    }
    const DIE_WITH_THE_PARENT: i32 = 1;
    unsafe {
        if vfork() == 0 {
            prctl(DIE_WITH_THE_PARENT, 9);
            sleep(60);
            _exit(0);
        }
    }
}
