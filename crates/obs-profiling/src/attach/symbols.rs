//! From addresses to functions, files and lines.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Symbolized, Symbolizer};

use crate::attach::code::Code;
use crate::attach::unwind::Addresses;
use crate::stack::{Frame, Stack};

/// Where it can be read, and what the process calls it.
type File = (PathBuf, Arc<str>);

/// The functions of each address, the innermost first.
pub(crate) struct Symbols {
    symbolizer: Symbolizer,
    known: HashMap<u64, Vec<Frame>>,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        Self { symbolizer: Symbolizer::new(), known: HashMap::new() }
    }

    /// Looks up those of these addresses that are not known yet.
    pub(crate) fn learn(&mut self, code: &Code, stacks: impl Iterator<Item = impl AsRef<[u64]>>) {
        let mut unknown_yet: Vec<u64> = Vec::new();
        for stack in stacks {
            let new = stack.as_ref().iter().filter(|address| !self.known.contains_key(address));
            unknown_yet.extend(new);
        }
        unknown_yet.sort_unstable();
        unknown_yet.dedup();
        // File by file: that is one search through each.
        let mut files: BTreeMap<File, Vec<(u64, u64)>> = BTreeMap::new();
        for address in unknown_yet {
            match code.place(address) {
                Some((mapping, file, offset)) => {
                    let module = mapping.path.rsplit('/').next().unwrap_or_default();
                    files.entry((file, module.into())).or_default().push((address, offset));
                }
                None => {
                    self.known.insert(address, vec![unknown(address, &"".into())]);
                }
            }
        }
        for ((file, module), places) in files {
            let source = Source::Elf(Elf::new(file));
            let offsets: Vec<u64> = places.iter().map(|(_, offset)| *offset).collect();
            let found = self.symbolizer.symbolize(&source, Input::FileOffset(&offsets));
            let mut found = found.unwrap_or_default().into_iter();
            for (address, _) in places {
                let frames = found.next().map_or_else(
                    || vec![unknown(address, &module)],
                    |found| frames_of(address, &found, &module),
                );
                self.known.insert(address, frames);
            }
        }
    }

    pub(crate) fn stack(&self, addresses: &Addresses) -> Stack {
        let frames = addresses.frames.iter().filter_map(|address| self.known.get(address));
        let frames: Vec<Frame> = frames.flatten().cloned().collect();
        // The dynamic linker's own beginning has no unwind table that says so.
        let is_beginning = frames.last().is_some_and(|frame| &*frame.function == "_start");
        Stack { frames, is_complete: addresses.is_complete || is_beginning }
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

fn unknown(address: u64, module: &Arc<str>) -> Frame {
    let function = format!("{address:#x}").into();
    Frame { function, place: None, module: Arc::clone(module), is_inlined: false }
}

fn frames_of(address: u64, found: &Symbolized<'_>, module: &Arc<str>) -> Vec<Frame> {
    let Symbolized::Sym(symbol) = found else {
        return vec![unknown(address, module)];
    };
    let inlined = symbol.inlined.iter().rev().map(|inlined| Frame {
        function: name(&inlined.name),
        place: inlined.code_info.as_ref().and_then(place),
        module: Arc::clone(module),
        is_inlined: true,
    });
    let outer = Frame {
        function: name(&symbol.name),
        place: symbol.code_info.as_deref().and_then(place),
        module: Arc::clone(module),
        is_inlined: false,
    };
    inlined.chain([outer]).collect()
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
