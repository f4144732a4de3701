//! From addresses to functions, files and lines.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use blazesym::MaybeDefault;
use blazesym::symbolize::source::{Elf, Kernel, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};

use crate::attach::code::Code;
use crate::attach::perf::is_of_kernel;
use crate::attach::unwind::Addresses;
use crate::mapping::Mapping;
use crate::stack::{Frame, Stack};

/// What stands for the kernel's frames where their names may not be read (`kptr_restrict`).
const KERNEL: &str = "[kernel]";

/// The functions of each address, the innermost first.
pub(crate) struct Symbols {
    symbolizer: Symbolizer,
    known: HashMap<u64, Vec<Frame>>,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        // Its own demangling takes a function of C that is called `f` for a C++ type.
        let symbolizer = Symbolizer::builder().enable_demangling(false).build();
        Self { symbolizer, known: HashMap::new() }
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
        let kernel = unknown_yet.split_off(unknown_yet.partition_point(|at| !is_of_kernel(*at)));
        self.learn_kernel(&kernel);
        // File by file: that is one search through each.
        let mut files: BTreeMap<PathBuf, Vec<(Place, u64)>> = BTreeMap::new();
        for address in unknown_yet {
            let found = code.place(address);
            let place = Place::new(address, found.as_ref().map(|found| Arc::clone(&found.mapping)));
            match found.and_then(|found| found.file) {
                Some((file, offset)) => files.entry(file).or_default().push((place, offset)),
                None => {
                    self.known.insert(address, vec![place.unknown()]);
                }
            }
        }
        for (file, places) in files {
            let source = Source::Elf(Elf::new(file));
            let offsets: Vec<u64> = places.iter().map(|(_, offset)| *offset).collect();
            let found = self.symbolizer.symbolize(&source, Input::FileOffset(&offsets));
            let mut found = found.unwrap_or_default().into_iter();
            for (place, _) in places {
                let frames = match found.next() {
                    Some(Symbolized::Sym(symbol)) => place.frames(&symbol),
                    _ => vec![place.unknown()],
                };
                self.known.insert(place.address, frames);
            }
        }
    }

    fn learn_kernel(&mut self, addresses: &[u64]) {
        if addresses.is_empty() {
            return;
        }
        let kernel = Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() };
        let found = self.symbolizer.symbolize(&Source::Kernel(kernel), Input::AbsAddr(addresses));
        let mut found = found.unwrap_or_default().into_iter();
        for &address in addresses {
            let place = Place { module: KERNEL.into(), ..Place::new(address, None) };
            let frame = match found.next() {
                Some(Symbolized::Sym(symbol)) => place.frame(&symbol.name, None),
                _ => Frame { function: KERNEL.into(), ..place.unknown() },
            };
            self.known.insert(address, vec![frame]);
        }
    }

    pub(crate) fn stack(&self, addresses: &Addresses) -> Stack {
        let frames = addresses.frames.iter().filter_map(|address| self.known.get(address));
        let mut frames: Vec<Frame> = frames.flatten().cloned().collect();
        frames.dedup_by(|one, other| &*one.function == KERNEL && &*other.function == KERNEL);
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

/// An address, and what is mapped there.
struct Place {
    address: u64,
    mapping: Option<Arc<Mapping>>,
    module: Arc<str>,
}

impl Place {
    fn new(address: u64, mapping: Option<Arc<Mapping>>) -> Self {
        let module = mapping.as_ref().map_or("", |mapping| mapping.name()).into();
        Self { address, mapping, module }
    }

    fn unknown(&self) -> Frame {
        let function = format!("{:#x}", self.address).into();
        Frame { function, is_symbolized: false, ..self.frame("", None) }
    }

    fn frames(&self, symbol: &Sym<'_>) -> Vec<Frame> {
        let inlined = symbol.inlined.iter().rev().map(|inlined| Frame {
            is_inlined: true,
            ..self.frame(&inlined.name, inlined.code_info.as_ref())
        });
        inlined.chain([self.frame(&symbol.name, symbol.code_info.as_deref())]).collect()
    }

    fn frame(&self, symbol: &str, code: Option<&CodeInfo<'_>>) -> Frame {
        Frame {
            function: name(symbol),
            place: code.and_then(place),
            module: Arc::clone(&self.module),
            is_inlined: false,
            is_symbolized: true,
            address: self.address,
            mapping: self.mapping.clone(),
        }
    }
}

/// Demangled where it is mangled, as Rust (`_R`, `_ZN...17h` and a hash) or as C++ (`_Z`); other names are
/// those of C and stay. Without the hash that the compiler appends.
fn name(symbol: &str) -> Arc<str> {
    if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        return format!("{rust:#}").into();
    }
    let is_cpp = symbol.starts_with("_Z") || symbol.starts_with("__Z");
    let cpp = is_cpp.then(|| cpp_demangle::Symbol::new(symbol).ok()?.demangle().ok()).flatten();
    cpp.as_deref().unwrap_or(symbol).into()
}

fn place(code: &CodeInfo<'_>) -> Option<(Arc<str>, u32)> {
    Some((code.to_path().to_string_lossy().into(), code.line?))
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn only_mangled_names_are_demangled() {
        for plain in ["f", "d", "i", "v", "main", "_start", "Z", "_", "", "memcpy", "__Znot", "_Z"]
        {
            assert_eq!(&*name(plain), plain);
        }
        assert_eq!(&*name("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(&*name("_RNvC6orders4main"), "orders::main");
        assert_eq!(
            &*name("_ZNSt6vectorIiSaIiEE9push_backEOi"),
            "std::vector<int, std::allocator<int> >::push_back(int&&)"
        );
    }
}
