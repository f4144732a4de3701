//! The request id: the caller's where its characters are allowed, otherwise a new one.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::random_u64;

/// The longest request id that is accepted, in bytes.
const MAX_LENGTH: usize = 128;

/// A UUID with its hyphens: ids up to here need no allocation.
const INLINE_CAPACITY: usize = 36;

/// The id of one request, the same in every service that it passes through.
///
/// Its text is always 1 to 128 bytes of `[A-Za-z0-9._-]`, so that it can stand in a header, a log line
/// or a shell command as it is. One of up to 36 bytes, as every minted one is, is kept in place; a clone of a
/// longer one is one reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Text);

/// One text has one form, so that equal ids are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    /// Zeros behind its length.
    Inline([u8; INLINE_CAPACITY], u8),
    Shared(Arc<str>),
}

impl RequestId {
    /// The id that a caller sent, or `None` when its bytes are not acceptable.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let is_allowed =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if bytes.is_empty() || bytes.len() > MAX_LENGTH || !bytes.iter().all(is_allowed) {
            return None;
        }
        let mut inline = [0; INLINE_CAPACITY];
        if let Some(text) = inline.get_mut(..bytes.len()) {
            text.copy_from_slice(bytes);
            return Some(Self(Text::Inline(inline, bytes.len() as u8)));
        }
        std::str::from_utf8(bytes).ok().map(|text| Self(Text::Shared(text.into())))
    }

    /// A new id: a UUID of version 7, so that ids sort by time (RFC 9562, section 5.7).
    pub fn mint() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&random_u64().to_be_bytes());
        random[8..].copy_from_slice(&random_u64().to_be_bytes()[..2]);
        let id = uuid::Builder::from_unix_timestamp_millis(since_epoch.as_millis() as u64, &random);
        let mut text = [0; INLINE_CAPACITY];
        id.into_uuid().hyphenated().encode_lower(&mut text);
        Self(Text::Inline(text, INLINE_CAPACITY as u8))
    }

    /// [`Self::parse`] what the caller sent, else [`Self::mint`].
    pub fn accept(sent: Option<&[u8]>) -> Self {
        sent.and_then(Self::parse).unwrap_or_else(Self::mint)
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Inline(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Shared(text) => text,
        }
    }

    /// The bytes of the id's text, without the check for UTF-8 of [`RequestId::as_str`].
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline(bytes, length) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Text::Shared(text) => text.as_bytes(),
        }
    }

    /// Makes this the current request of the thread until the guard is dropped.
    ///
    /// Hold it while a request's future is polled, never across an await.
    pub fn enter(&self) -> EnteredRequest {
        let former = CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok().flatten();
        EnteredRequest { former, on_one_thread: PhantomData }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

thread_local! {
    static CURRENT: RefCell<Option<RequestId>> = const { RefCell::new(None) };
}

/// The id of this thread's current request.
pub fn current_request_id() -> Option<RequestId> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Puts the former request id back when dropped: made by [`RequestId::enter`]. It stays on its thread:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(obs_context::RequestId::mint().enter());
/// ```
#[derive(Debug)]
#[must_use = "the request is current only as long as this guard lives"]
pub struct EnteredRequest {
    former: Option<RequestId>,
    on_one_thread: PhantomData<*const ()>,
}

impl Drop for EnteredRequest {
    fn drop(&mut self) {
        let former = self.former.take();
        let _ = CURRENT.try_with(|current| current.replace(former));
    }
}
