//! What a program writes, as lines: cut where they are endless, joined where they are one stack trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anstream::adapter::strip_bytes;

use crate::model::LogLine;
use crate::receive::{is_object, line};

/// The rest of a longer line is left out.
const LONGEST: usize = 64 << 10;
/// Lines of one stack trace that are kept together.
const JOINED: usize = 512;
/// After so long without another line a stack trace is complete.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Makes lines of bytes as they come.
#[derive(Debug)]
pub(super) struct Assembler {
    service: Arc<str>,
    stream: &'static str,
    partial: Vec<u8>,
    /// Whether the line has been longer than what is kept of it.
    is_cut: bool,
    group: Option<Group>,
    made: Made,
}

/// Lines, and what was cut of them.
#[derive(Debug, Default)]
pub(super) struct Made {
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
            is_cut: false,
            group: None,
            made: Made::default(),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Made {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (begin, rest) = bytes.split_at(end);
            self.keep(begin);
            self.end_line();
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
        std::mem::take(&mut self.made)
    }

    /// Whether a stack trace waits for its next line.
    pub(super) fn is_waiting(&self) -> bool {
        self.group.is_some()
    }

    /// What waits for a next line that does not come.
    pub(super) fn pause(&mut self) -> Made {
        self.flush();
        std::mem::take(&mut self.made)
    }

    /// The program has closed the stream.
    pub(super) fn finish(&mut self) -> Made {
        if !self.partial.is_empty() || self.is_cut {
            self.end_line();
        }
        self.pause()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.partial.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.is_cut |= kept.len() < bytes.len();
        self.partial.extend_from_slice(kept);
    }

    fn end_line(&mut self) {
        let mut whole = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.is_cut) {
            self.made.cut += 1;
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
            self.made.lines.push(line);
        } else if let Some(group) =
            self.group.as_mut().and_then(|group| group.takes(&text).then_some(group))
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
            self.made.text += 1;
            if group.kind != Kind::Plain {
                line.level = "error".into();
            }
            line.fields.add("stream", self.stream.into());
        }
        self.made.lines.push(line);
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

    /// Whether this line belongs to the ones before it.
    fn takes(&mut self, line: &[u8]) -> bool {
        if self.lines >= JOINED
            || self.text.len() + line.len() > LONGEST
            || self.last.elapsed() > PAUSE
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
