//! Splits a program's output into lines: long ones are truncated, those of one stack trace joined.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anstream::adapter::strip_bytes;

use crate::model::LogLine;
use crate::receive::{is_object, line};

/// The rest of a longer line is left out.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Lines of one stack trace that are kept together.
const MAX_JOINED_LINES: usize = 512;
/// A stack trace is complete after this time without another line.
pub(super) const JOIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Assembles lines from bytes.
#[derive(Debug)]
pub(super) struct Assembler {
    service: Arc<str>,
    stream: &'static str,
    partial: Vec<u8>,
    /// Whether the line has been longer than what is kept of it.
    is_truncated: bool,
    group: Option<Group>,
    assembled: AssembledLines,
}

/// Lines, and what was cut of them.
#[derive(Debug, Default)]
pub(super) struct AssembledLines {
    pub(super) lines: Vec<LogLine>,
    pub(super) text: u64,
    pub(super) cut: u64,
}

/// Text lines that may be the begin of a stack trace.
#[derive(Debug)]
struct Group {
    text: Vec<u8>,
    lines: usize,
    last: Instant,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// `thread 'main' panicked at src/main.rs:1:2:`, whose message is the next line.
    Panic {
        has_message: bool,
    },
    /// `Traceback (most recent call last):`, whose error is the first line that is not indented.
    Traceback {
        has_error: bool,
    },
}

impl Assembler {
    pub(super) fn new(service: Arc<str>, stream: &'static str) -> Self {
        Self {
            service,
            stream,
            partial: Vec::new(),
            is_truncated: false,
            group: None,
            assembled: AssembledLines::default(),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> AssembledLines {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (begin, rest) = bytes.split_at(end);
            self.append(begin);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.append(bytes);
        std::mem::take(&mut self.assembled)
    }

    /// Whether a stack trace waits for its next line.
    pub(super) fn is_waiting(&self) -> bool {
        self.group.is_some()
    }

    /// The stack trace that waits for a line that does not come.
    pub(super) fn flush_pending(&mut self) -> AssembledLines {
        self.flush();
        std::mem::take(&mut self.assembled)
    }

    /// The program has closed the stream.
    pub(super) fn finish(&mut self) -> AssembledLines {
        if !self.partial.is_empty() || self.is_truncated {
            self.end_line();
        }
        self.flush_pending()
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.partial.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.is_truncated |= kept.len() < bytes.len();
        self.partial.extend_from_slice(kept);
    }

    fn end_line(&mut self) {
        let mut whole = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.is_truncated) {
            self.assembled.cut += 1;
            whole.extend_from_slice("…".as_bytes());
        }
        // A progress bar writes over its line: what one sees in the end is what counts.
        let text = whole.strip_suffix(b"\r").unwrap_or(&whole);
        let text = text.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
        let text: Vec<u8> = strip_bytes(text).flatten().copied().collect();
        let is_blank = text.trim_ascii().is_empty();
        if is_object(&text) {
            self.flush();
            let (line, _) = line(&self.service, &text);
            self.assembled.lines.push(line);
        } else if let Some(group) =
            self.group.as_mut().and_then(|group| group.continues_with(&text).then_some(group))
        {
            group.text.push(b'\n');
            group.text.extend_from_slice(&text);
            group.lines += 1;
            group.last = Instant::now();
        } else {
            self.flush();
            if !is_blank {
                self.group = Some(Group::new(text));
            }
        }
        // The allocation of a usual line is used again, that of a huge one given back.
        if whole.capacity() <= 4_096 {
            whole.clear();
            self.partial = whole;
        }
    }

    fn flush(&mut self) {
        let Some(group) = self.group.take() else { return };
        let (mut line, is_text) = line(&self.service, &group.text);
        if is_text {
            self.assembled.text += 1;
            if group.kind != Kind::Plain {
                line.level = "error".into();
            }
            line.fields.add("stream", self.stream.into());
        }
        self.assembled.lines.push(line);
    }
}

impl Group {
    fn new(text: Vec<u8>) -> Self {
        let contains = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
        let kind = if text.starts_with(b"Traceback (most recent call last)") {
            Kind::Traceback { has_error: false }
        } else if text.starts_with(b"thread '") && contains(b" panicked at ") {
            Kind::Panic { has_message: false }
        } else if text.starts_with(b"panic: ") {
            Kind::Panic { has_message: true }
        } else {
            Kind::Plain
        };
        Self { text, lines: 1, last: Instant::now(), kind }
    }

    /// Whether this line belongs to the group.
    fn continues_with(&mut self, line: &[u8]) -> bool {
        if self.lines >= MAX_JOINED_LINES
            || self.text.len() + line.len() > MAX_LINE_BYTES
            || self.last.elapsed() > JOIN_TIMEOUT
        {
            return false;
        }
        let is_indented = matches!(line.first(), Some(b' ' | b'\t'));
        let goes_on = [&b"Caused by"[..], b"caused by", b"note: ", b"stack backtrace:"];
        let is_usual = is_indented && !line.trim_ascii().is_empty()
            || goes_on.iter().any(|begin| line.starts_with(begin));
        match &mut self.kind {
            Kind::Plain => is_usual,
            Kind::Panic { has_message } => {
                let is_message = !std::mem::replace(has_message, true);
                is_message || is_usual || line.starts_with(b"goroutine ")
            }
            Kind::Traceback { has_error } => {
                is_usual || !(line.is_empty() || std::mem::replace(has_error, true))
            }
        }
    }
}
