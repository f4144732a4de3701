//! Lines for people: aligned levels, `key=value`, colours where the terminal has them.

use super::line::{Line, OwnKeys};
use crate::context::fields::Fields;
use crate::encode::escape::string;
use crate::encode::time::Clock;
use tracing_core::Level;

pub(crate) struct Console {
    pub(super) own: OwnKeys,
    colours: bool,
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const CYAN: &str = "\x1b[36m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

impl Console {
    pub(crate) fn new(colours: bool) -> Self {
        Self { own: OwnKeys::new("event"), colours }
    }

    pub(super) fn render(
        &self,
        line: &Line<'_>,
        parts: &[&Fields],
        clock: &Clock,
        out: &mut Vec<u8>,
    ) {
        self.painted(out, DIM, |out| clock.append(out, line.time));
        out.push(b' ');
        let (colour, level) = level(line.level);
        self.painted(out, colour, |out| out.extend_from_slice(level));
        out.push(b' ');
        if !line.message.is_empty() {
            self.painted(out, BOLD, |out| inside(out, line.message));
            out.push(b' ');
        }
        self.painted(out, DIM, |out| {
            out.push(b'[');
            let mut target = Vec::new();
            string(&mut target, line.target);
            inside(out, &target);
            out.push(b']');
        });
        for (name, value) in parts.iter().flat_map(|part| part.iter()) {
            if !is_chain(name, value) {
                out.push(b' ');
                self.pair(out, name, value);
            }
        }
        if let Some((trace_id, span_id)) = line.ids {
            self.painted(out, DIM, |out| {
                out.extend_from_slice(b" trace_id=");
                out.extend_from_slice(&trace_id.hex());
                out.extend_from_slice(b" span_id=");
                out.extend_from_slice(&span_id.hex());
            });
        }
        out.push(b'\n');
        for (name, value) in parts.iter().flat_map(|part| part.iter()) {
            if is_chain(name, value) {
                self.causes(out, value);
            }
        }
    }

    fn pair(&self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.painted(out, CYAN, |out| printable(out, name));
        out.push(b'=');
        match text_of(value) {
            Some(text) if is_bare(text) => out.extend_from_slice(text),
            Some(_) => printable(out, value),
            None => out.extend_from_slice(value),
        }
    }

    /// One line a cause, indented ever deeper.
    fn causes(&self, out: &mut Vec<u8>, chain: &[u8]) {
        for (depth, cause) in elements(chain).enumerate() {
            out.extend_from_slice(&b"  ".repeat(depth + 2));
            self.painted(out, RED, |out| out.extend_from_slice(b"caused by: "));
            inside(out, cause);
            out.push(b'\n');
        }
    }

    fn painted(&self, out: &mut Vec<u8>, colour: &str, paint: impl FnOnce(&mut Vec<u8>)) {
        if !self.colours {
            return paint(out);
        }
        out.extend_from_slice(colour.as_bytes());
        paint(out);
        out.extend_from_slice(RESET.as_bytes());
    }
}

fn level(level: Level) -> (&'static str, &'static [u8]) {
    match level {
        Level::ERROR => ("\x1b[1;31m", b"ERROR"),
        Level::WARN => ("\x1b[33m", b"WARN "),
        Level::INFO => ("\x1b[32m", b"INFO "),
        Level::DEBUG => ("\x1b[34m", b"DEBUG"),
        Level::TRACE => ("\x1b[35m", b"TRACE"),
    }
}

fn is_chain(name: &[u8], value: &[u8]) -> bool {
    name.ends_with(b".chain") && value.starts_with(b"[\"")
}

/// The inside of a JSON string.
fn text_of(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Whether a text can do without quotation marks.
fn is_bare(text: &[u8]) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/:+@{}<>%".contains(byte);
    !text.is_empty() && text.iter().all(harmless)
}

/// A JSON string without its quotation marks; quotation marks in it stand as they are.
fn inside(out: &mut Vec<u8>, value: &[u8]) {
    let text = text_of(value).unwrap_or(value);
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\\\"" || pair == b"\\\\") {
        printable(out, &rest[..at]);
        out.push(rest[at + 1]);
        rest = &rest[at + 2..];
    }
    printable(out, rest);
}

/// JSON has escaped what is below a space; a terminal obeys more: DEL, the C1 controls, and the
/// characters that turn the direction of text (CVE-2021-42574).
fn printable(out: &mut Vec<u8>, json: &[u8]) {
    if json.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return out.extend_from_slice(json);
    }
    for character in String::from_utf8_lossy(json).chars() {
        if character.is_control() || is_directional(character) {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The strings of a JSON array of strings.
fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.strip_prefix(b"[").unwrap_or_default();
    std::iter::from_fn(move || {
        let open = rest.iter().position(|byte| *byte == b'"')?;
        let mut end = open + 1;
        while *rest.get(end)? != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        let element = &rest[open..=end];
        rest = &rest[end + 1..];
        Some(element)
    })
}
