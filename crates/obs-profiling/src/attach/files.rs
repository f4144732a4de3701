//! The files that processes execute, held open: they can be read when they have been deleted or replaced,
//! and when the process has ended.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::attach::image::Image;
use crate::attach::maps::Mapping;
use crate::attach::memory;

/// Each file once, for all processes that execute it.
#[derive(Default)]
pub(crate) struct Files(HashMap<Key, Arc<Loaded>>);

/// Device and inode; the kernel's own memory has none, but a name.
type Key = ((u32, u32), u64, String);

pub(crate) struct Loaded {
    file: File,
    /// `None` when it is no file that can be executed.
    pub(crate) image: Option<Image>,
}

impl Files {
    /// `None` when it cannot be read.
    pub(crate) fn of(&mut self, pid: i32, mapping: &Mapping) -> Option<Arc<Loaded>> {
        let key = (mapping.device, mapping.inode, mapping.path.clone());
        if let Some(loaded) = self.0.get(&key) {
            return Some(Arc::clone(loaded));
        }
        let file = open(pid, mapping)?;
        let image = Image::of(&file);
        let loaded = Arc::new(Loaded { file, image });
        self.0.insert(key, Arc::clone(&loaded));
        Some(loaded)
    }
}

impl Loaded {
    /// It is open as long as this lives.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The file as the process sees it, although it may have been deleted or replaced since.
fn open(pid: i32, mapping: &Mapping) -> Option<File> {
    if mapping.path == "[vdso]" {
        return vdso(pid, mapping);
    }
    if mapping.inode == 0 {
        return None;
    }
    let Range { start, end } = mapping.range;
    // Needs a capability; the others do not.
    File::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}"))
        .or_else(|_| File::open(format!("/proc/{pid}/root{}", mapping.path)))
        .ok()
        .or_else(|| same(&format!("/proc/{pid}/exe"), mapping))
        // It has ended, and had the same files as we.
        .or_else(|| same(&mapping.path, mapping))
}

fn same(path: &str, mapping: &Mapping) -> Option<File> {
    let file = File::open(path).ok()?;
    (file.metadata().ok()?.ino() == mapping.inode).then_some(file)
}

/// The kernel's own library has no file: a copy of its memory.
fn vdso(pid: i32, mapping: &Mapping) -> Option<File> {
    use std::io::Write;
    let length = usize::try_from(mapping.range.end - mapping.range.start).ok()?;
    let bytes = memory::read(pid, mapping.range.start, length);
    let mut file = File::from(memfd_create(c"vdso", MFdFlags::MFD_CLOEXEC).ok()?);
    file.write_all(&bytes).ok()?;
    Some(file)
}
