//! What an HTTP/1 connection waits for from its peer, as its bytes and its exchanges show.
//!
//! Hyper limits the time until a head is complete, by a new timer for each request, and never a body. Here
//! the bytes that pass are followed as far as a request's end; where that is uncertain (requests sent
//! before the answer to the one before) no limit of a body is set for the rest of the connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode, Version, header, request, response};
use obs_context::Route;
use obs_guard::Place;
use obs_http::{End, Exchange, Observe, Outcome};
use tokio::time::Instant;

use crate::counts::Closed;
use crate::server::first_request::FirstRequest;
use crate::write_limit::WriteWatch;

/// A handler or a body whose panic is not answered: it ends the connection, or the HTTP/2 stream.
static HANDLER: Place = Place::new("health.handler");

const HEAD_END: &[u8] = b"\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Of one connection; a clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    first_request: FirstRequest,
    state: Mutex<State>,
    write: WriteWatch,
    /// Exchanges under way, on HTTP/2 several.
    exchanges: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    at: ReadPhase,
    scan: RequestScan,
    expected: ExpectedBody,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReadPhase {
    /// Before the first request, whose limit is another's.
    #[default]
    First,
    Idle {
        since: Instant,
    },
    Head,
    Exchange,
    /// HTTP/2, or no HTTP any more.
    Off,
}

/// The request's body, as its head has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExpectedBody {
    #[default]
    Nothing,
    Bytes(u64),
    Chunks,
}

/// How far the bytes of one request are known.
#[derive(Debug, Default)]
struct RequestScan {
    /// Bytes of [`HEAD_END`] that have come.
    matched: usize,
    has_begun: bool,
    /// Bytes after the head's end.
    after: Option<u64>,
    tail: Vec<u8>,
    is_uncertain: bool,
}

impl Phase {
    pub(crate) fn new(write: WriteWatch) -> Self {
        let (first_request, state, exchanges) = Default::default();
        let shared = Shared { first_request, state, write, exchanges };
        Self { shared: Arc::new(shared) }
    }

    /// Comes with the first request. For one waiter.
    pub(crate) async fn first_request(&self) {
        self.shared.first_request.wait().await;
    }

    /// Whether a later head begins with these bytes.
    pub(crate) fn read(&self, bytes: &[u8]) -> bool {
        let mut state = self.state();
        let begins = match state.at {
            ReadPhase::Off => return false,
            ReadPhase::Idle { .. } => !bytes.is_empty(),
            _ => false,
        };
        if begins {
            state.at = ReadPhase::Head;
        }
        state.scan.feed(bytes);
        begins
    }

    /// Since when the peer owes nothing: there is no exchange under way, and no byte of the next.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        match self.state().at {
            ReadPhase::Idle { since } => Some(since),
            _ => None,
        }
    }

    /// What the peer owes, if anything, whose limit runs while it sends nothing.
    pub(crate) fn awaited(&self) -> Option<Closed> {
        let state = self.state();
        match state.at {
            ReadPhase::Head => Some(Closed::Head),
            ReadPhase::Exchange if state.scan.lacks(state.expected) => Some(Closed::Body),
            _ => None,
        }
    }

    /// Comes when no exchange has been under way for so long.
    pub(crate) async fn is_idle_for(&self, limit: Duration) {
        let mut since = Instant::now();
        while since.elapsed() < limit {
            tokio::time::sleep(limit / 4).await;
            if self.shared.exchanges.load(Ordering::Acquire) > 0 {
                since = Instant::now();
            }
        }
    }

    /// A request's head is complete. To be called before its body is read.
    pub(crate) fn request<B>(&self, request: &Request<B>) {
        self.shared.first_request.set();
        if request.version() >= Version::HTTP_2 {
            self.disable();
        } else {
            let mut state = self.state();
            state.at = ReadPhase::Exchange;
            state.expected = ExpectedBody::of(request.headers());
        }
    }

    fn disable(&self) {
        self.state().at = ReadPhase::Off;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observe for Phase {
    type Exchange = PhaseExchange;

    const BEGINS_ALONE: bool = true;

    fn begin(&self, request: &mut request::Parts, _: Option<Route>) -> PhaseExchange {
        self.shared.exchanges.fetch_add(1, Ordering::AcqRel);
        PhaseExchange { phase: self.clone(), is_connect: request.method == Method::CONNECT }
    }
}

#[derive(Debug)]
pub(crate) struct PhaseExchange {
    phase: Phase,
    is_connect: bool,
}

impl Exchange for PhaseExchange {
    type Entered<'a> = ();

    const IS_TIMED: bool = false;

    fn enter(&self) {}

    fn response(&mut self, response: &mut response::Parts) {
        let is_upgrade = response.status == StatusCode::SWITCHING_PROTOCOLS
            || self.is_connect && response.status.is_success();
        if is_upgrade && response.version < Version::HTTP_2 {
            self.phase.disable();
            self.phase.shared.write.disable();
        }
    }

    fn can_end_alone(&self, _: &End) -> bool {
        true
    }

    fn end(self, end: &End) {
        if end.outcome == Outcome::Panicked {
            HANDLER.caught(Box::new(()));
        }
        self.phase.shared.exchanges.fetch_sub(1, Ordering::AcqRel);
        let mut state = self.phase.state();
        if state.at == ReadPhase::Off {
            return;
        }
        let has_more = state.scan.has_more_than(state.expected);
        state.at = match has_more {
            true => ReadPhase::Head,
            false => ReadPhase::Idle { since: Instant::now() },
        };
        let is_at_the_end =
            !has_more && !state.scan.lacks(state.expected) && !state.scan.is_uncertain;
        state.scan = RequestScan { is_uncertain: !is_at_the_end, ..RequestScan::default() };
    }
}

impl ExpectedBody {
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Chunks;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        match length.and_then(|length| length.parse().ok()) {
            None | Some(0) => Self::Nothing,
            Some(length) => Self::Bytes(length),
        }
    }
}

impl RequestScan {
    fn feed(&mut self, mut bytes: &[u8]) {
        if self.is_uncertain || bytes.is_empty() {
            return;
        }
        if self.after.is_none() {
            let begins = !std::mem::replace(&mut self.has_begun, true);
            // The usual request without a body needs no search.
            if begins && bytes.starts_with(b"GET ") && bytes.ends_with(HEAD_END) {
                self.after = Some(0);
                return;
            }
            let Some(end) = bytes.iter().position(|byte| self.ends_head(*byte)) else { return };
            bytes = &bytes[end + 1..];
        }
        self.after = Some(self.after.unwrap_or(0).saturating_add(bytes.len() as u64));
        let last = &bytes[bytes.len().saturating_sub(LAST_CHUNK.len())..];
        self.tail.extend_from_slice(last);
        let surplus = self.tail.len().saturating_sub(LAST_CHUNK.len());
        self.tail.drain(..surplus);
    }

    fn ends_head(&mut self, byte: u8) -> bool {
        self.matched = match byte {
            byte if byte == HEAD_END[self.matched] => self.matched + 1,
            b'\r' => 1,
            _ => 0,
        };
        let ends = self.matched == HEAD_END.len();
        if ends {
            self.matched = 0;
        }
        ends
    }

    /// Whether a part of the body is surely still to come.
    fn lacks(&self, expected: ExpectedBody) -> bool {
        match (expected, self.after) {
            _ if self.is_uncertain => false,
            (ExpectedBody::Bytes(length), Some(after)) => after < length,
            (ExpectedBody::Chunks, Some(_)) => self.tail != LAST_CHUNK,
            (ExpectedBody::Nothing, _) | (_, None) => false,
        }
    }

    /// Whether bytes of the next request are here already.
    fn has_more_than(&self, expected: ExpectedBody) -> bool {
        match expected {
            ExpectedBody::Nothing => self.after.is_some_and(|after| after > 0),
            ExpectedBody::Bytes(length) => self.after.is_some_and(|after| after > length),
            ExpectedBody::Chunks => false,
        }
    }
}
