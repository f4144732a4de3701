//! What a process executes: its mappings, the files behind them, and how to unwind them.

use std::borrow::Borrow;
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::Arc;

use framehop::Unwinder as _;

use crate::attach::files::{Files, Loaded};
use crate::attach::image::{Image, Unwinder};
use crate::attach::maps::{self, Mapping};
use crate::error::Error;

/// Code by its addresses. The files stay open as long as it lives.
#[derive(Clone)]
pub(crate) struct Code {
    pid: i32,
    /// In order, and none over another.
    mappings: Vec<Mapped>,
    unwinder: Unwinder,
}

#[derive(Clone)]
struct Mapped {
    mapping: Mapping,
    shown: Arc<crate::mapping::Mapping>,
    /// `None` where its file cannot be read.
    loaded: Option<Arc<Loaded>>,
}

impl Borrow<Mapping> for Mapped {
    fn borrow(&self) -> &Mapping {
        &self.mapping
    }
}

/// What is known of the code at an address.
pub(crate) struct Place<'a> {
    pub(crate) mapping: &'a Arc<crate::mapping::Mapping>,
    /// The file's descriptor, and the place in the file.
    pub(crate) file: Option<(RawFd, u64)>,
}

impl Code {
    /// Everything that the process has mapped now.
    pub(crate) fn of(pid: i32) -> Result<Self, Error> {
        Ok(Self::mapped(pid, &maps::of(pid)?, &mut Files::default()))
    }

    pub(crate) fn mapped(pid: i32, mappings: &[Mapping], files: &mut Files) -> Self {
        let mut code = Self { pid, mappings: Vec::new(), unwinder: Unwinder::new() };
        for mapping in mappings.iter().filter(|mapping| mapping.executable) {
            code.map(mapping.clone(), files);
        }
        code
    }

    /// Takes in a mapping of code; what was mapped there before is forgotten. Stacks end in mappings whose
    /// file cannot be read.
    pub(crate) fn map(&mut self, mapping: Mapping, files: &mut Files) {
        let Range { start, end } = mapping.range;
        let unwinder = &mut self.unwinder;
        self.mappings.retain(|Mapped { mapping: old, .. }| {
            let stays = old.range.end <= start || end <= old.range.start;
            if !stays {
                unwinder.remove_module(old.range.start);
            }
            stays
        });
        let loaded = files.of(self.pid, &mapping);
        let image = loaded.as_ref().and_then(|loaded| loaded.image.as_ref());
        if let Some(module) = image.and_then(|image| image.module(&mapping)) {
            unwinder.add_module(module);
        }
        let shown = Image::shown(image, &mapping).into();
        let place = self.mappings.partition_point(|other| other.mapping.range.start < start);
        self.mappings.insert(place, Mapped { mapping, shown, loaded });
    }

    /// As its parent's, until it maps something itself.
    pub(crate) fn set_pid(&mut self, pid: i32) {
        self.pid = pid;
    }

    pub(crate) fn unwinder(&self) -> &Unwinder {
        &self.unwinder
    }

    /// The beginning of the function that the instruction before this address is in.
    pub(crate) fn function_before(&self, address: u64) -> Option<u64> {
        let address = address.checked_sub(1)?;
        let Mapped { mapping, loaded, .. } = maps::find(&self.mappings, address)?;
        loaded.as_ref()?.image.as_ref()?.function_of(mapping, address)
    }

    /// `None` where no code is mapped.
    pub(crate) fn place(&self, address: u64) -> Option<Place<'_>> {
        let Mapped { mapping, shown, loaded } = maps::find(&self.mappings, address)?;
        let file = loaded.as_ref().and_then(|loaded| {
            let offset = (address - mapping.range.start).checked_add(mapping.offset)?;
            Some((loaded.descriptor(), offset))
        });
        Some(Place { mapping: shown, file })
    }

    /// Whether the file is there whose code lies at this address.
    pub(crate) fn has_file(&self, address: u64) -> bool {
        self.place(address).is_some_and(|place| place.file.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Code {
        Code::of(std::process::id() as i32).expect("our own process")
    }

    #[test]
    fn own_code_has_file() {
        let code = own();
        let place = code.place(own as *const () as u64).expect("a place");
        assert!(place.file.is_some(), "{:?}", place.mapping);
        assert!(place.mapping.has_symbols, "{:?}", place.mapping);
        assert!(code.place(0).is_none());
    }

    #[test]
    fn function_start_comes_from_unwind_tables() {
        let address = own as *const () as u64;
        assert_eq!(own().function_before(address + 5), Some(address));
        assert_eq!(own().function_before(16), None);
    }

    #[test]
    fn new_mapping_replaces_covered_mapping() {
        let mut code = own();
        let address = own as *const () as u64;
        let old = maps::find(&code.mappings, address).expect("a place").mapping.clone();
        let count = code.mappings.len();
        let new = Mapping { inode: 0, path: "//anon".to_owned(), ..old.clone() };
        code.map(new, &mut Files::default());
        assert!(!code.has_file(address));
        assert_eq!(code.mappings.len(), count);
    }
}
