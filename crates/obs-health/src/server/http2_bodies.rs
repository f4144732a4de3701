//! The request bodies of an HTTP/2 connection: one whose peer stops sending has its stream reset.
//!
//! Hyper's body type does not tell who waits for it, so the frames do: a peer is awaited while its
//! stream is not ended, has room in both windows, and has no answer yet.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use crate::pace::WaitBudget;
use crate::server::http2_frames::{
    FrameEvent, FrameScanner, HEADER_LENGTH, PREFACE, malformed_trailers,
};

/// RFC 9113, section 6.9.2.
const DEFAULT_WINDOW: i64 = 65_535;
/// A frame of the usual size has room; some peers wait for as much.
const MIN_WINDOW: i64 = 16_384;
/// More than hyper lets a peer open at once (200).
const MAX_BODIES: usize = 256;

/// The first bytes do not show it yet.
const UNKNOWN: u8 = 0;
const HTTP2: u8 = 1;
/// Nothing is followed.
const OTHER: u8 = 2;

/// Of one connection; a clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Http2Bodies(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    protocol: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes of [`PREFACE`] that have come.
    preface: usize,
    from_peer: FrameScanner,
    to_peer: FrameScanner,
    limit: WaitBudget,
    initial_window: i64,
    window: i64,
    bodies: Vec<RequestBody>,
    /// Of the task that reads.
    reader: Option<Waker>,
}

#[derive(Debug)]
struct RequestBody {
    stream: u32,
    window: i64,
    budget: WaitBudget,
    awaited_since: Option<Instant>,
}

impl Http2Bodies {
    pub(crate) fn new(limit: WaitBudget) -> Self {
        let state = State {
            preface: 0,
            from_peer: FrameScanner::default(),
            to_peer: FrameScanner::default(),
            limit,
            initial_window: DEFAULT_WINDOW,
            window: DEFAULT_WINDOW,
            bodies: Vec::new(),
            reader: None,
        };
        Self(Arc::new(Shared { protocol: AtomicU8::new(UNKNOWN), state: Mutex::new(state) }))
    }

    /// No limit from now on.
    pub(crate) fn disable(&self) {
        self.set_protocol(OTHER);
        self.state().bodies = Vec::new();
    }

    pub(crate) fn read(&self, mut bytes: &[u8]) {
        if self.protocol() == UNKNOWN {
            bytes = self.read_preface(bytes);
        }
        if self.protocol() == HTTP2 {
            let mut state = self.state();
            let mut scanner = std::mem::take(&mut state.from_peer);
            scanner.feed(bytes, |event| state.received(event));
            state.from_peer = scanner;
        }
    }

    pub(crate) fn wrote(&self, bytes: &[u8]) {
        if self.protocol() == HTTP2 {
            let mut state = self.state();
            let mut scanner = std::mem::take(&mut state.to_peer);
            scanner.feed(bytes, |event| state.sent(event));
            state.to_peer = scanner;
        }
    }

    /// When the first of the bodies will be late; `None` within a frame, where [`Self::reset_late`] has to wait for its
    /// end. The reader is woken when that may have changed.
    pub(crate) fn next_deadline(&self, reader: &Waker) -> Option<Instant> {
        if self.protocol() != HTTP2 {
            return None;
        }
        let mut state = self.state();
        match &mut state.reader {
            Some(last) => last.clone_from(reader),
            none => *none = Some(reader.clone()),
        }
        if !state.from_peer.is_at_boundary() {
            return None;
        }
        state.bodies.iter().filter_map(RequestBody::deadline).min()
    }

    /// A frame that makes hyper reset the stream of a body that is late, if there is one now.
    pub(crate) fn reset_late(&self) -> Option<[u8; HEADER_LENGTH]> {
        if self.protocol() != HTTP2 {
            return None;
        }
        let mut state = self.state();
        if state.bodies.is_empty() || !state.from_peer.is_at_boundary() {
            return None;
        }
        let now = Instant::now();
        let is_late = |body: &RequestBody| body.deadline().is_some_and(|deadline| deadline <= now);
        let late = state.bodies.iter().position(is_late)?;
        Some(malformed_trailers(state.bodies.swap_remove(late).stream))
    }

    fn protocol(&self) -> u8 {
        self.0.protocol.load(Ordering::Acquire)
    }

    fn set_protocol(&self, protocol: u8) {
        self.0.protocol.store(protocol, Ordering::Release);
    }

    /// Returns what follows the preface.
    fn read_preface<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let mut state = self.state();
        let expected = PREFACE.get(state.preface..).unwrap_or_default();
        let (prefix, rest) = bytes.split_at(bytes.len().min(expected.len()));
        state.preface += prefix.len();
        if !expected.starts_with(prefix) {
            self.set_protocol(OTHER);
        } else if state.preface == PREFACE.len() {
            self.set_protocol(HTTP2);
        }
        rest
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn received(&mut self, event: FrameEvent) {
        match event {
            FrameEvent::Headers { stream, ends_stream: true } => self.forget(stream),
            FrameEvent::Headers { stream, ends_stream: false } => self.begin(stream),
            FrameEvent::Data { stream, length, ends_stream } => {
                self.window -= i64::from(length);
                if ends_stream {
                    self.forget(stream);
                } else if let Some(body) = self.body(stream) {
                    body.window -= i64::from(length);
                }
                self.update();
            }
            FrameEvent::Payload { stream, bytes } => {
                if let Some(body) = self.body(stream) {
                    body.progress(bytes);
                }
            }
            FrameEvent::Reset { stream } => self.forget(stream),
            FrameEvent::InitialWindow(_) | FrameEvent::WindowUpdate { .. } => {}
        }
    }

    fn sent(&mut self, event: FrameEvent) {
        match event {
            // The answer has begun: from here on the two may talk at their own pace.
            FrameEvent::Headers { stream, .. } | FrameEvent::Reset { stream } => {
                self.forget(stream);
            }
            FrameEvent::InitialWindow(window) => {
                let change = i64::from(window) - self.initial_window;
                self.initial_window = i64::from(window);
                for body in &mut self.bodies {
                    body.window += change;
                }
                self.update();
            }
            FrameEvent::WindowUpdate { stream, increment } => {
                match stream {
                    0 => self.window += i64::from(increment),
                    _ => {
                        if let Some(body) = self.body(stream) {
                            body.window += i64::from(increment);
                        }
                    }
                }
                self.update();
            }
            FrameEvent::Data { .. } | FrameEvent::Payload { .. } => {}
        }
    }

    fn begin(&mut self, stream: u32) {
        if self.bodies.len() < MAX_BODIES && self.body(stream).is_none() {
            let (window, budget) = (self.initial_window, self.limit);
            self.bodies.push(RequestBody { stream, window, budget, awaited_since: None });
            self.update();
        }
    }

    fn forget(&mut self, stream: u32) {
        self.bodies.retain(|body| body.stream != stream);
    }

    fn body(&mut self, stream: u32) -> Option<&mut RequestBody> {
        self.bodies.iter_mut().find(|body| body.stream == stream)
    }

    /// Begins and ends the waits that the windows allow.
    fn update(&mut self) {
        let has_room = self.window >= MIN_WINDOW;
        let mut has_begun = false;
        for body in &mut self.bodies {
            let is_awaited = has_room && body.window >= MIN_WINDOW;
            if is_awaited == body.awaited_since.is_some() {
                continue;
            }
            has_begun |= is_awaited;
            body.awaited_since = is_awaited.then(Instant::now);
            if !is_awaited {
                body.budget.reset();
            }
        }
        if has_begun && let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl RequestBody {
    fn deadline(&self) -> Option<Instant> {
        self.awaited_since?.checked_add(self.budget.left())
    }

    fn progress(&mut self, bytes: usize) {
        if let Some(since) = &mut self.awaited_since {
            let now = Instant::now();
            self.budget.spend(now.duration_since(*since));
            self.budget.earn(bytes);
            *since = now;
        }
    }
}
