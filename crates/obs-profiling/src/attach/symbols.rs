//! From addresses to functions, files and lines.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;

use blazesym::MaybeDefault;
use blazesym::symbolize::source::{Elf, Kernel, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};

use crate::attach::code::Code;
use crate::attach::perf::is_of_kernel;
use crate::attach::unwind::Addresses;
use crate::stack::{Frame, Stack};

/// What stands for the kernel's frames where their names may not be read (`kptr_restrict`).
const KERNEL: &str = "[kernel]";

/// The functions at each place, whichever process has it at whichever address.
pub(crate) struct Symbols {
    symbolizer: Symbolizer,
    /// The innermost first; none where there is no symbol.
    known: HashMap<Place, Vec<Function>>,
}

/// Where code lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// The address.
    Kernel(u64),
    /// The descriptor and the offset: the file must stay open as long as its symbols are asked for.
    File(RawFd, u64),
}

struct Function {
    name: Arc<str>,
    place: Option<(Arc<str>, u32)>,
    is_inlined: bool,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        // Its own demangling takes a function of C that is called `f` for a C++ type.
        let symbolizer = Symbolizer::builder().enable_demangling(false).build();
        Self { symbolizer, known: HashMap::new() }
    }

    /// Looks up those of these addresses that are not known yet.
    pub(crate) fn resolve(&mut self, code: &Code, stacks: impl Iterator<Item = impl AsRef<[u64]>>) {
        let mut addresses: Vec<u64> = Vec::new();
        for stack in stacks {
            addresses.extend(stack.as_ref());
        }
        addresses.sort_unstable();
        addresses.dedup();
        let mut of_kernel: Vec<u64> = Vec::new();
        // File by file: that is one search through each.
        let mut of_files: BTreeMap<RawFd, Vec<u64>> = BTreeMap::new();
        for address in addresses {
            match place(code, address) {
                Some(place) if self.known.contains_key(&place) => {}
                Some(Place::Kernel(address)) => of_kernel.push(address),
                Some(Place::File(file, offset)) => of_files.entry(file).or_default().push(offset),
                None => {}
            }
        }
        if !of_kernel.is_empty() {
            let kernel =
                Kernel { vmlinux: MaybeDefault::None, debug_syms: false, ..Kernel::default() };
            let kernel = Source::Kernel(kernel);
            self.lookup(&kernel, Input::AbsAddr(&of_kernel), &of_kernel, Place::Kernel);
        }
        for (file, offsets) in of_files {
            let source = Source::Elf(Elf::new(format!("/proc/self/fd/{file}")));
            let place = |offset| Place::File(file, offset);
            self.lookup(&source, Input::FileOffset(&offsets), &offsets, place);
        }
    }

    fn lookup(
        &mut self,
        source: &Source<'_>,
        input: Input<&[u64]>,
        numbers: &[u64],
        place: impl Fn(u64) -> Place,
    ) {
        // What cannot be read has no symbols.
        let found = self.symbolizer.symbolize(source, input).unwrap_or_default();
        let functions = found.iter().map(|found| match found {
            Symbolized::Sym(symbol) => functions(symbol),
            Symbolized::Unknown(_) => Vec::new(),
        });
        let functions = functions.chain(std::iter::repeat_with(Vec::new));
        self.known.extend(numbers.iter().map(|number| place(*number)).zip(functions));
    }

    /// The code must be the one that the addresses were learnt of.
    pub(crate) fn stack(&self, code: &Code, addresses: &Addresses) -> Stack {
        let mut frames: Vec<Frame> = Vec::with_capacity(addresses.frames.len());
        for &address in &addresses.frames {
            self.add_frames(code, address, &mut frames);
        }
        frames.dedup_by(|one, other| &*one.function == KERNEL && &*other.function == KERNEL);
        // The dynamic linker's own beginning has no unwind table that says so.
        let is_beginning = frames.last().is_some_and(|frame| &*frame.function == "_start");
        Stack { frames, is_complete: addresses.is_complete || is_beginning }
    }

    fn add_frames(&self, code: &Code, address: u64, frames: &mut Vec<Frame>) {
        let mapping = code.place(address).map(|place| Arc::clone(place.mapping));
        let is_of_kernel = is_of_kernel(address);
        let module = match &mapping {
            Some(mapping) => Arc::clone(&mapping.name),
            None => if is_of_kernel { KERNEL } else { "" }.into(),
        };
        let frame = |function: Arc<str>| Frame {
            function,
            place: None,
            module: Arc::clone(&module),
            is_inlined: false,
            is_symbolized: true,
            address,
            mapping: mapping.clone(),
        };
        let known = place(code, address).and_then(|place| self.known.get(&place));
        match known.map(Vec::as_slice) {
            Some(functions @ [_, ..]) => {
                frames.extend(functions.iter().map(|function| Frame {
                    place: function.place.clone(),
                    is_inlined: function.is_inlined,
                    ..frame(Arc::clone(&function.name))
                }));
            }
            _ => {
                let number = || format!("{address:#x}").into();
                let function = if is_of_kernel { KERNEL.into() } else { number() };
                frames.push(Frame { is_symbolized: false, ..frame(function) });
            }
        }
    }
}

/// `None` where nothing is mapped, or its file cannot be read.
fn place(code: &Code, address: u64) -> Option<Place> {
    if is_of_kernel(address) {
        return Some(Place::Kernel(address));
    }
    let (file, offset) = code.place(address)?.file?;
    Some(Place::File(file, offset))
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

fn functions(symbol: &Sym<'_>) -> Vec<Function> {
    let inlined = symbol.inlined.iter().rev().map(|inlined| Function {
        name: name(&inlined.name),
        place: inlined.code_info.as_ref().and_then(line),
        is_inlined: true,
    });
    let outer = Function {
        name: name(&symbol.name),
        place: symbol.code_info.as_deref().and_then(line),
        is_inlined: false,
    };
    inlined.chain([outer]).collect()
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

fn line(code: &CodeInfo<'_>) -> Option<(Arc<str>, u32)> {
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
