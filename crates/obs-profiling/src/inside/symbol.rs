//! The functions of addresses, as `go tool pprof` asks for them.

use std::fmt::Write;

use crate::attach::code::Code;
use crate::attach::symbols::Symbols;
use crate::attach::unwind::Addresses;

/// Addresses in one question.
const MAX_ADDRESSES: usize = 10_000;

/// Without addresses, that there are symbols here; else a line for each address that has a symbol. They are
/// separated by `+`, and written as `0x55d0`.
pub(crate) fn answer(asked: &[u8]) -> String {
    let asked = String::from_utf8_lossy(asked);
    let hexadecimal = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
    let addresses: Vec<u64> =
        asked.split('+').filter_map(hexadecimal).take(MAX_ADDRESSES).collect();
    let mut answer = "num_symbols: 1\n".to_owned();
    if addresses.is_empty() {
        return answer;
    }
    let Ok(code) = Code::of(std::process::id().cast_signed()) else { return answer };
    let mut symbols = Symbols::new();
    symbols.resolve(&code, std::iter::once(&addresses));
    for address in addresses {
        let stack = symbols.stack(&code, &Addresses { frames: vec![address], is_complete: true });
        if let Some(frame) = stack.frames.last().filter(|frame| frame.is_symbolized) {
            let _ = writeln!(answer, "{address:#x}\t{}", frame.function);
        }
    }
    answer
}
