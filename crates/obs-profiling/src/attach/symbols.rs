//! From addresses to functions, files and lines.

use std::collections::HashMap;
use std::sync::Arc;

use blazesym::Pid;
use blazesym::symbolize::source::{Elf, Process, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};

use crate::attach::maps::{self, Mapping};
use crate::attach::unwind::Addresses;
use crate::error::{Error, Kind};
use crate::stack::{Frame, Stack};

/// The functions of each address, the innermost first.
pub(crate) struct Symbols(HashMap<u64, Vec<Frame>>);

impl Symbols {
    /// Of all these addresses of a process that has, or had, these mappings.
    pub(crate) fn of(
        pid: i32,
        mappings: &[Mapping],
        stacks: impl Iterator<Item = impl AsRef<[u64]>>,
    ) -> Result<Self, Error> {
        let mut addresses: Vec<u64> = stacks.flat_map(|one| one.as_ref().to_vec()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let failed = |text: String| Error::new(Kind::Symbols { pid, text });
        let number = u32::try_from(pid).map_err(|error| failed(error.to_string()))?;
        let mut process = Process::new(Pid::from(number));
        process.perf_map = false;
        process.map_files = are_map_files_readable(pid);
        let symbolizer = Symbolizer::new();
        match symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(&addresses)) {
            Ok(found) => {
                let frames = addresses.iter().zip(found);
                let frames = frames.map(|(address, found)| (*address, frames_of(*address, &found)));
                Ok(Self(frames.collect()))
            }
            // It has ended: its files are still there.
            Err(_) if maps::of(pid).map_or(true, |now| now.is_empty()) => {
                let found = addresses
                    .iter()
                    .map(|address| (*address, of_file(&symbolizer, mappings, *address)));
                Ok(Self(found.collect()))
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    pub(crate) fn stack(&self, addresses: &Addresses) -> Stack {
        let frames = addresses.frames.iter().filter_map(|address| self.0.get(address));
        Stack { frames: frames.flatten().cloned().collect(), is_complete: addresses.is_complete }
    }
}

/// Where functions begin, without files and lines.
pub(crate) struct Beginnings {
    pid: i32,
    symbolizer: Symbolizer,
    known: HashMap<u64, Option<u64>>,
}

impl Beginnings {
    pub(crate) fn of(pid: i32) -> Self {
        let symbolizer = Symbolizer::builder().enable_code_info(false).enable_inlined_fns(false);
        Self { pid, symbolizer: symbolizer.build(), known: HashMap::new() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The beginning of the function that the instruction before this address is in.
    pub(crate) fn before(&mut self, address: u64) -> Option<u64> {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let found = self.find(address.checked_sub(1)?);
        self.known.insert(address, found);
        found
    }

    fn find(&self, address: u64) -> Option<u64> {
        let mut process = Process::new(Pid::from(u32::try_from(self.pid).ok()?));
        process.perf_map = false;
        process.debug_syms = false;
        process.map_files = are_map_files_readable(self.pid);
        let input = Input::AbsAddr(address);
        let found = self.symbolizer.symbolize_single(&Source::Process(process), input).ok()?;
        let Symbolized::Sym(symbol) = found else { return None };
        address.checked_sub(symbol.offset as u64)
    }
}

/// Reading them needs a capability that the process's own user lacks.
fn are_map_files_readable(pid: i32) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/map_files"));
    files.is_ok_and(|mut files| files.next().is_some_and(|file| is_readable(&file)))
}

fn is_readable(file: &std::io::Result<std::fs::DirEntry>) -> bool {
    file.as_ref().is_ok_and(|file| std::fs::File::open(file.path()).is_ok())
}

fn of_file(symbolizer: &Symbolizer, mappings: &[Mapping], address: u64) -> Vec<Frame> {
    let found = maps::find(mappings, address).and_then(|mapping| {
        let offset = address - mapping.range.start + mapping.offset;
        let source = Source::Elf(Elf::new(&mapping.path));
        let found = symbolizer.symbolize_single(&source, Input::FileOffset(offset)).ok()?;
        Some(frames_of(address, &found))
    });
    found.unwrap_or_else(|| vec![unknown(address)])
}

fn unknown(address: u64) -> Frame {
    let function = format!("{address:#x}").into();
    Frame { function, place: None, module: "".into(), is_inlined: false }
}

fn frames_of(address: u64, found: &Symbolized<'_>) -> Vec<Frame> {
    let Symbolized::Sym(symbol) = found else {
        return vec![unknown(address)];
    };
    let module: Arc<str> = module(symbol).into();
    let inlined = symbol.inlined.iter().rev().map(|inlined| Frame {
        function: name(&inlined.name),
        place: inlined.code_info.as_ref().and_then(place),
        module: Arc::clone(&module),
        is_inlined: true,
    });
    let outer = Frame {
        function: name(&symbol.name),
        place: symbol.code_info.as_deref().and_then(place),
        module: Arc::clone(&module),
        is_inlined: false,
    };
    inlined.chain([outer]).collect()
}

fn module(symbol: &Sym<'_>) -> String {
    let path = symbol.module.as_ref().map(|module| module.to_string_lossy());
    path.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
}

/// Without the hash that the compiler appends: `::h` and 16 digits.
fn name(demangled: &str) -> Arc<str> {
    let without = demangled
        .rsplit_once("::h")
        .filter(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    without.map_or(demangled, |(name, _)| name).into()
}

fn place(code: &CodeInfo<'_>) -> Option<(Arc<str>, u32)> {
    Some((code.to_path().to_string_lossy().into(), code.line?))
}
