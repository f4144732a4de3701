//! What a process executes: its mappings, the files behind them, and how to unwind them.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use framehop::Unwinder as _;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::attach::image::{Image, Unwinder};
use crate::attach::maps::{self, Mapping};
use crate::attach::memory;
use crate::error::Error;

/// Code by its addresses. Files are held open: they can be read when they have been deleted or replaced,
/// and when the process has ended.
pub(crate) struct Code {
    pid: i32,
    /// In order, and none over another.
    mappings: Vec<Mapped>,
    files: HashMap<(u64, String), Option<Arc<Loaded>>>,
    unwinder: Unwinder,
}

struct Loaded {
    file: File,
    image: Option<Image>,
}

struct Mapped {
    mapping: Mapping,
    shown: Arc<crate::Mapping>,
}

impl Borrow<Mapping> for Mapped {
    fn borrow(&self) -> &Mapping {
        &self.mapping
    }
}

/// What is known of the code at an address.
pub(crate) struct Place {
    pub(crate) mapping: Arc<crate::Mapping>,
    /// A path to the file that stays valid as long as the [`Code`] lives, and the place in that file.
    pub(crate) file: Option<(PathBuf, u64)>,
}

impl Code {
    /// Everything that the process has mapped now.
    pub(crate) fn of(pid: i32) -> Result<Self, Error> {
        Ok(Self::mapped(pid, &maps::of(pid)?))
    }

    pub(crate) fn mapped(pid: i32, mappings: &[Mapping]) -> Self {
        let mut code =
            Self { pid, mappings: Vec::new(), files: HashMap::new(), unwinder: Unwinder::new() };
        for mapping in mappings.iter().filter(|mapping| mapping.executable) {
            code.map(mapping.clone());
        }
        code
    }

    /// Takes in a mapping of code; what was mapped there before is forgotten. Stacks end in mappings whose
    /// file cannot be read.
    pub(crate) fn map(&mut self, mapping: Mapping) {
        let Range { start, end } = mapping.range;
        let unwinder = &mut self.unwinder;
        self.mappings.retain(|Mapped { mapping: old, .. }| {
            let stays = old.range.end <= start || end <= old.range.start;
            if !stays {
                unwinder.remove_module(old.range.start);
            }
            stays
        });
        let loaded = self.files.entry(key(&mapping)).or_insert_with(|| {
            let file = open(self.pid, &mapping)?;
            let image = Image::of(&file);
            Some(Arc::new(Loaded { file, image }))
        });
        let image = loaded.as_ref().and_then(|loaded| loaded.image.as_ref());
        if let Some(module) = image.and_then(|image| image.module(&mapping)) {
            unwinder.add_module(module);
        }
        let shown = Image::shown(image, &mapping).into();
        let place = self.mappings.partition_point(|other| other.mapping.range.start < start);
        self.mappings.insert(place, Mapped { mapping, shown });
    }

    pub(crate) fn unwinder(&self) -> &Unwinder {
        &self.unwinder
    }

    /// The beginning of the function that the instruction before this address is in.
    pub(crate) fn function_before(&self, address: u64) -> Option<u64> {
        let address = address.checked_sub(1)?;
        let Mapped { mapping, .. } = maps::find(&self.mappings, address)?;
        let loaded = self.files.get(&key(mapping))?.as_ref()?;
        loaded.image.as_ref()?.function_of(mapping, address)
    }

    /// `None` where no code is mapped.
    pub(crate) fn place(&self, address: u64) -> Option<Place> {
        let Mapped { mapping, shown } = maps::find(&self.mappings, address)?;
        let file = self.files.get(&key(mapping)).and_then(Option::as_ref).and_then(|loaded| {
            let path = format!("/proc/self/fd/{}", loaded.file.as_raw_fd());
            let offset = (address - mapping.range.start).checked_add(mapping.offset)?;
            Some((path.into(), offset))
        });
        Some(Place { mapping: Arc::clone(shown), file })
    }

    /// Whether the file is there whose code lies at this address.
    pub(crate) fn has_file(&self, address: u64) -> bool {
        self.place(address).is_some_and(|place| place.file.is_some())
    }
}

fn key(mapping: &Mapping) -> (u64, String) {
    (mapping.inode, mapping.path.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Code {
        Code::of(std::process::id() as i32).expect("our own process")
    }

    #[test]
    fn this_very_code_has_a_file() {
        let code = own();
        let place = code.place(own as *const () as u64).expect("a place");
        assert!(place.file.is_some_and(|(path, _)| path.exists()), "{:?}", place.mapping);
        assert!(place.mapping.has_symbols, "{:?}", place.mapping);
        assert!(code.place(0).is_none());
    }

    #[test]
    fn a_functions_beginning_is_told_by_the_unwind_tables() {
        let address = own as *const () as u64;
        assert_eq!(own().function_before(address + 5), Some(address));
        assert_eq!(own().function_before(16), None);
    }

    #[test]
    fn a_new_mapping_takes_the_place_of_what_it_covers() {
        let mut code = own();
        let address = own as *const () as u64;
        let old = maps::find(&code.mappings, address).expect("a place").mapping.clone();
        let count = code.mappings.len();
        let new = Mapping { inode: 0, path: "//anon".to_owned(), ..old.clone() };
        code.map(new);
        assert!(!code.has_file(address));
        assert_eq!(code.mappings.len(), count);
    }
}
