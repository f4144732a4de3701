//! A forked child is a process of its own: its random numbers are its own, too.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "it is a test")]
#![allow(unsafe_code, reason = "forks")]

use std::io::{PipeReader, Read, Write, pipe};

use obs_context::{TraceId, fork_generation, random_u64};

/// What each of the children that are forked one after another answers, and whether it is so.
fn ask_children(children: usize, answer: fn() -> Vec<u8>) -> Vec<Vec<u8>> {
    let fork = |_| {
        let (reader, mut writer) = pipe().unwrap();
        // SAFETY: the child computes a few numbers, writes them, and leaves at once.
        match unsafe { libc::fork() } {
            0 => {
                let written = writer.write_all(&answer()).is_ok();
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(i32::from(!written)) }
            }
            child => (child, reader),
        }
    };
    let forked: Vec<(libc::pid_t, PipeReader)> = (0..children).map(fork).collect();
    let collect = |(child, mut reader): (libc::pid_t, PipeReader)| {
        let (mut answer, mut status) = (Vec::new(), 0);
        reader.read_to_end(&mut answer).unwrap();
        // SAFETY: waits for a child from above, once.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0);
        answer
    };
    forked.into_iter().map(collect).collect()
}

#[test]
fn forked_child_draws_other_ids_than_parent_and_siblings() {
    random_u64();
    let ids = || (0..8).flat_map(|_| TraceId::random().get().to_le_bytes()).collect();
    let mut all = ask_children(4, ids);
    all.push(ids());
    let mut ids: Vec<&[u8]> = all.iter().flat_map(|ids| ids.chunks(16)).collect();
    assert_eq!(ids.len(), 5 * 8);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5 * 8, "an id was given twice");
}

#[test]
fn forked_child_has_own_generation() {
    random_u64();
    let before = fork_generation();
    let answers = ask_children(1, || fork_generation().to_le_bytes().to_vec());
    assert_ne!(answers, [before.to_le_bytes().to_vec()]);
    assert_eq!(fork_generation(), before);
}
