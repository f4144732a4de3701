//! A process that profiles itself where something is amiss: each in a process of its own.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "system calls, stacks and handlers of a strange application")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod work;

use std::hint::black_box;
use std::mem;
use std::panic::catch_unwind;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
use nix::sys::signal::{SigSet, Signal};
use obs_profiling::{CpuProfiler, Profile, Recording, dump_own};
use work::Burner;

const CASE: &str = "OBS_PROFILING_CASE";
/// However busy the machine is.
const WAIT_TIMEOUT: Duration = Duration::from_secs(120);

#[test]
fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("fork") => forks(),
        Ok("no call") => profiles_without_process_vm_readv(),
        Ok("no memory") => fails_without_memory_access(),
        Ok("no timers") => fails_without_timers(),
        Ok("alternate stack") => profiles_alternate_stack(),
        #[cfg(target_arch = "x86_64")]
        Ok("stacks come and go") => stacks_come_and_go(),
        Ok("blocked") => counts_thread_blocking_signal(),
        _ => {}
    }
}

/// In a process of its own, which must end well.
fn run_in_child(case: &str) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CASE, case)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        match process.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > 2 * WAIT_TIMEOUT => {
                process.kill().unwrap();
                process.wait().unwrap();
                panic!("it hangs");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(status.success(), "{status}");
}

fn start() -> CpuProfiler {
    CpuProfiler::start(Recording { rate: 250, duration: Duration::from_secs(3600) }).unwrap()
}

/// Lets the profile have so many samples more.
fn await_samples(count: u32) {
    let told = || {
        let mut found = 0.0;
        obs_profiling::source().collect(&mut |sample| {
            if sample.name == "obs_profile_samples_total" {
                found = sample.value;
            }
        });
        found
    };
    let (before, begun) = (told(), Instant::now());
    while told() < before + f64::from(count) {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "no samples");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn samples_in(profile: &Profile, function: &str) -> u64 {
    let functions = profile.functions();
    functions.iter().filter(|it| it.0.contains(function)).map(|it| it.2).max().unwrap_or(0)
}

/// Whether the burner's stack can be shown, which is tried until it has had a processor.
fn await_own_dump_with(function: &str) {
    let begun = Instant::now();
    while !dump_own().unwrap().to_string().contains(function) {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "{function} is not shown");
    }
}

#[test]
fn process_forked_during_profile_has_own_profiler() {
    run_in_child("fork");
}

fn forks() {
    let burner = Burner::start("burner", || _ = work::two_parts());
    let profiler = start();
    await_samples(20);
    // SAFETY: the process that it makes does what a program would do, and ends by itself.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: plain calls; the process must not outlive a test that has failed.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let ended_well = catch_unwind(|| profiles_in_forked_process(profiler)).is_ok();
            // SAFETY: as above; nothing of the parent's is to run.
            unsafe { libc::_exit(i32::from(!ended_well)) }
        }
        process => {
            let mut status = 0;
            // SAFETY: it fills the status.
            assert_eq!(unsafe { libc::waitpid(process, &raw mut status, 0) }, process);
            assert_eq!(status, 0);
        }
    }
    drop(burner);
}

fn profiles_in_forked_process(of_the_parent: CpuProfiler) {
    let error = of_the_parent.finish().unwrap_err().to_string();
    assert!(error.contains("take another one"), "{error}");
    let burner = Burner::start("burner", || _ = work::one_part());
    let profiler = start();
    await_samples(20);
    await_own_dump_with("one_part");
    drop(burner);
    let profile = profiler.finish().unwrap();
    assert!(samples_in(&profile, "one_part") > 0, "{:?}", profile.functions());
    assert_eq!(samples_in(&profile, "two_parts"), 0);
}

#[test]
fn stacks_without_process_vm_readv_are_whole() {
    run_in_child("no call");
}

fn profiles_without_process_vm_readv() {
    forbid(&[libc::SYS_process_vm_readv]);
    let burner = Burner::start("burner", || _ = work::two_parts());
    let profiler = start();
    await_samples(100);
    let profile = profiler.finish().unwrap();
    await_own_dump_with("two_parts");
    drop(burner);
    let of_burner = profile.samples.iter().filter(|sample| sample.thread == "burner");
    let (whole, all) = of_burner.fold((0, 0), |(whole, all), sample| {
        (whole + if sample.stack.is_complete { sample.count } else { 0 }, all + sample.count)
    });
    assert!(all > 50 && whole * 10 > all * 9, "{whole} of {all}");
    assert!(samples_in(&profile, "two_parts") * 2 > all, "{:?}", profile.functions());
}

#[test]
fn unreadable_memory_is_error() {
    run_in_child("no memory");
}

fn fails_without_memory_access() {
    forbid(&[libc::SYS_process_vm_readv, libc::SYS_pread64]);
    let recording = Recording { rate: 100, duration: Duration::from_secs(1) };
    let error = CpuProfiler::start(recording).unwrap_err().to_string();
    assert!(error.contains("allow process_vm_readv"), "{error}");
}

#[test]
fn missing_timers_are_error() {
    run_in_child("no timers");
}

fn fails_without_timers() {
    forbid(&[libc::SYS_timer_create]);
    let error = start().wait().unwrap_err().to_string();
    assert!(error.contains("allow timer_create"), "{error}");
    // It is not under way for ever.
    assert!(!start().wait().unwrap_err().is_under_way());
}

/// As a sandbox does: these calls answer EPERM from now on, in all threads.
fn forbid(calls: &[libc::c_long]) {
    let filter = |code, jt, k| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let mut program = vec![filter(BPF_LD | BPF_W | BPF_ABS, 0, 0)];
    for (place, call) in calls.iter().enumerate() {
        let to_the_end = (calls.len() - place) as u8;
        program.push(filter(BPF_JMP | BPF_JEQ | BPF_K, to_the_end, *call as u32));
    }
    program.push(filter(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    program.push(filter(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let (mode, all) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: the filter is whole, and is copied.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::syscall(libc::SYS_seccomp, mode, all, &raw const program), 0);
    }
}

static ENDS: AtomicBool = AtomicBool::new(false);

#[inline(never)]
fn burns_elsewhere() {
    while !ENDS.load(Relaxed) {
        black_box(work::one_part());
    }
}

#[test]
fn handler_on_alternate_stack_is_sampled() {
    run_in_child("alternate stack");
}

fn profiles_alternate_stack() {
    extern "C" fn handler(_: i32) {
        burns_elsewhere();
    }
    let burner = std::thread::spawn(|| {
        let mut memory = vec![0_u8; 256 * 1024];
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
        let mut former = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
        // SAFETY: the memory lives until the former stack is back.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
            assert_eq!(libc::sigaltstack(&raw const stack, &raw mut former), 0);
            assert_eq!(libc::raise(libc::SIGUSR1), 0);
            assert_eq!(libc::sigaltstack(&raw const former, ptr::null_mut()), 0);
        }
    });
    let profiler = start();
    await_samples(50);
    await_own_dump_with("burns_elsewhere");
    ENDS.store(true, Relaxed);
    burner.join().unwrap();
    let profile = profiler.finish().unwrap();
    assert!(samples_in(&profile, "burns_elsewhere") > 20, "{:?}", profile.functions());
}

/// As libraries of coroutines do, with memory that is there only while the coroutine is.
#[cfg(target_arch = "x86_64")]
#[test]
fn vanishing_stacks_do_not_crash_profiler() {
    run_in_child("stacks come and go");
}

#[cfg(target_arch = "x86_64")]
fn stacks_come_and_go() {
    const PAGE: usize = 4096;
    const SIZE: usize = 18 * PAGE;
    extern "C" fn coroutine() {
        burns_on_other_stack();
    }
    let burner = Burner::start("burner", || {
        work::two_parts();
        // SAFETY: memory of our own, of which the first and the last page are barred; the stack pointer is
        // back before it goes.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let memory = libc::mmap(ptr::null_mut(), SIZE, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(memory.byte_add(PAGE), SIZE - 2 * PAGE, access), 0);
            std::arch::asm!(
                "mov r12, rsp",
                "mov rsp, {top}",
                "call {coroutine}",
                "mov rsp, r12",
                top = in(reg) memory.byte_add(SIZE - PAGE),
                coroutine = sym coroutine,
                out("r12") _,
                clobber_abi("C"),
            );
            assert_eq!(libc::munmap(memory, SIZE), 0);
        }
    });
    let profiler = start();
    await_samples(200);
    await_own_dump_with("burns_on_other_stack");
    drop(burner);
    let profile = profiler.finish().unwrap();
    let (elsewhere, own) =
        (samples_in(&profile, "burns_on_other_stack"), samples_in(&profile, "two_parts"));
    assert!(elsewhere > 10 && own > 10, "{:?}", profile.functions());
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn burns_on_other_stack() {
    black_box(work::one_part());
    black_box(work::one_part());
}

#[test]
fn thread_blocking_signal_is_counted() {
    run_in_child("blocked");
}

fn counts_thread_blocking_signal() {
    let (blocks, blocked) = mpsc::channel();
    let deaf = Burner::start("deaf", move || {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGPROF);
        signals.thread_block().unwrap();
        let _ = blocks.send(());
        black_box(work::one_part());
    });
    blocked.recv().unwrap();
    let burner = Burner::start("burner", || _ = work::two_parts());
    let profiler = start();
    await_samples(50);
    // Dropped after, so that it lives when the profile ends.
    let profile = profiler.finish().unwrap();
    drop((deaf, burner));
    assert_eq!(profile.unsampled, 1);
    assert!(profile.samples.iter().all(|sample| sample.thread != "deaf"), "{profile:?}");
    assert!(samples_in(&profile, "two_parts") > 0, "{:?}", profile.functions());
}
