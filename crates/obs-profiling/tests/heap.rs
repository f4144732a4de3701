//! The sampling allocator in a program that installs it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test is a panic")]
#![allow(unsafe_code, reason = "allocators are called as the language calls them")]

mod work;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obs_profiling::heap::{self, HeapProfile, Memory, Sampling};

#[global_allocator]
static ALLOCATOR: Sampling = Sampling::system();

const MIB: u64 = 1 << 20;

/// What one test frees, another must not find in use.
fn started() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    heap::start(64 * 1024).unwrap();
    guard
}

fn of(profile: &HeapProfile, function: &str) -> (Memory, Memory) {
    let mut sum = (Memory::default(), Memory::default());
    for sample in &profile.samples {
        if sample.stack.frames.iter().any(|frame| frame.function.contains(function)) {
            for (sum, one) in [(&mut sum.0, sample.in_use), (&mut sum.1, sample.allocated)] {
                sum.objects += one.objects;
                sum.bytes += one.bytes;
            }
        }
    }
    sum
}

#[inline(never)]
#[allow(clippy::vec_box, reason = "each is to be an allocation")]
fn keeps_small_blocks(count: usize) -> Vec<Box<[u8; 100]>> {
    (0..count).map(|_| black_box(Box::new([7; 100]))).collect()
}

#[test]
fn profile_separates_in_use_from_allocated() {
    let _alone = started();
    let before = of(&heap::profile().unwrap(), "keeps_small_blocks");
    drop(keeps_small_blocks(200_000));
    let kept = keeps_small_blocks(200_000);
    let profile = heap::profile().unwrap();
    let (in_use, allocated) = of(&profile, "keeps_small_blocks");
    // 20 MB of blocks and 1.6 MB for their list.
    assert!((14 * MIB..28 * MIB).contains(&(in_use.bytes - before.0.bytes)), "{in_use:?}");
    assert!((28 * MIB..64 * MIB).contains(&(allocated.bytes - before.1.bytes)), "{allocated:?}");
    assert!((130_000..280_000).contains(&in_use.objects), "{in_use:?}");
    drop(kept);
    let (in_use, _) = of(&heap::profile().unwrap(), "keeps_small_blocks");
    assert!(in_use.bytes < MIB, "{in_use:?}");
    assert!(profile.samples.iter().all(|sample| {
        sample
            .stack
            .frames
            .first()
            .is_none_or(|frame| !frame.function.contains("obs_profiling::inside"))
    }));
}

#[test]
fn large_blocks_moved_and_freed_elsewhere_are_tracked() {
    let _alone = started();
    let (blocks, freed) = channel::<Vec<u8>>();
    let freer =
        std::thread::spawn(move || freed.into_iter().map(|block| block.len()).sum::<usize>());
    let mut grown = Vec::new();
    for step in 1..200 {
        grown.resize(step * 50_000, step as u8);
    }
    let (in_use, _) = of(&heap::profile().unwrap(), "freed_elsewhere_are_tracked");
    assert!((9 * MIB..21 * MIB).contains(&in_use.bytes), "{in_use:?}");
    assert!((0..199).all(|step| grown[step * 50_000 + 49_999] == (step + 1) as u8));
    grown.truncate(100);
    grown.shrink_to_fit();
    assert!(grown.iter().all(|byte| *byte == 1));
    for _ in 0..50 {
        blocks.send(vec![1; 1 << 20]).unwrap();
    }
    drop(blocks);
    assert_eq!(freer.join().unwrap(), 50 << 20);
    let (in_use, _) = of(&heap::profile().unwrap(), "freed_elsewhere_are_tracked");
    assert!(in_use.bytes < MIB, "{in_use:?}");
}

#[test]
fn each_size_and_alignment_is_allocated_and_freed() {
    let _alone = started();
    heap::start(1).unwrap(); // every allocation
    for size in [1, 8, 100, 4_000, 32_767, 32_768, 100_000] {
        for align in [1, 8, 64, 256, 1_024, 2_048, 4_096, 16_384] {
            for zeroed in [false, true] {
                given_and_taken(Layout::from_size_align(size, align).unwrap(), zeroed);
            }
        }
    }
    heap::start(64 * 1024).unwrap();
}

fn given_and_taken(layout: Layout, zeroed: bool) {
    // SAFETY: each block is used within its layout, and freed by the last one.
    unsafe {
        let mut pointer =
            if zeroed { ALLOCATOR.alloc_zeroed(layout) } else { ALLOCATOR.alloc(layout) };
        assert!(!pointer.is_null() && pointer.addr() % layout.align() == 0, "{layout:?}");
        if zeroed {
            assert!((0..layout.size()).all(|at| pointer.add(at).read() == 0), "{layout:?}");
        }
        pointer.write_bytes(0x5a, layout.size());
        let mut layout = layout;
        for size in [layout.size() * 3, layout.size() / 2 + 1, 50_000, 7] {
            let kept = layout.size().min(size);
            pointer = ALLOCATOR.realloc(pointer, layout, size);
            layout = Layout::from_size_align(size, layout.align()).unwrap();
            assert!(!pointer.is_null() && pointer.addr() % layout.align() == 0, "{layout:?}");
            assert!((0..kept).all(|at| pointer.add(at).read() == 0x5a), "{layout:?}");
            pointer.write_bytes(0x5a, size);
        }
        ALLOCATOR.dealloc(pointer, layout);
    }
}

#[test]
fn short_lived_threads_are_sampled_to_end() {
    let _alone = started();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    std::thread::spawn(|| drop(keeps_small_blocks(500))).join().unwrap();
                }
            });
        }
        for _ in 0..5 {
            heap::profile().unwrap();
        }
    });
    assert!(of(&heap::profile().unwrap(), "keeps_small_blocks").1.bytes > 10 * MIB);
}

#[test]
fn go_pprof_reads_heap() {
    let Some(go) = work::go() else { return };
    let _alone = started();
    let kept = keeps_small_blocks(100_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heap.pb.gz");
    heap::profile().unwrap().write_pprof(std::fs::File::create(&file).unwrap()).unwrap();
    drop(kept);
    for kind in ["inuse_space", "alloc_objects"] {
        let mut command = std::process::Command::new(&go);
        let command = command.args(["tool", "pprof", "-top", "-cum", "-sample_index", kind]);
        let told = command.arg(&file).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains("keeps_small_blocks") && told.contains(kind), "{told}");
    }
}

/// Prints what an allocation and its freeing cost; asserts that they happen.
#[test]
fn allocation_cost_is_printed() {
    let _alone = started();
    heap::start(heap::INTERVAL).unwrap();
    let layout = Layout::from_size_align(100, 8).unwrap();
    let round = |allocator: &dyn GlobalAlloc| {
        let begun = Instant::now();
        for _ in 0..100_000 {
            // SAFETY: allocated and freed by the same layout.
            unsafe {
                let pointer = black_box(allocator.alloc(layout));
                assert!(!pointer.is_null());
                allocator.dealloc(pointer, layout);
            }
        }
        begun.elapsed() / 100
    };
    let least = |allocator: &dyn GlobalAlloc| -> Duration {
        (0..30).map(|_| round(allocator)).min().unwrap()
    };
    let (plain, sampling) = (least(&System), least(&ALLOCATOR));
    println!("1,000 allocations of 100 bytes: {plain:?} by the system, {sampling:?} with samples");
    heap::start(64 * 1024).unwrap();
}
