//! A request's body, within its limits.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::LARGEST_REQUEST;

/// A sender that takes longer is not sending.
const SLOWEST: Duration = Duration::from_secs(15);

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
    Encoding,
    Gzip,
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken | Self::Gzip => StatusCode::BAD_REQUEST,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "the body is larger than 4 MiB: send smaller batches",
            Self::TooSlow => "the body did not arrive within 15 s",
            Self::Broken => "the body ended early: send it whole",
            Self::Encoding => "this content encoding is not understood: send gzip or none",
            Self::Gzip => "the body is no gzip: send what Content-Encoding says",
        }
    }
}

/// A body takes a place of [`READERS`] once it is larger.
const SMALL_REQUEST: usize = 16 * 1024;

/// Large bodies that are read at once, over all receivers: each may take [`LARGEST_REQUEST`].
static READERS: Semaphore = Semaphore::const_new(32);
/// A body of 4 MiB that holds nothing but empty spans decodes to a hundred times as much: one at a time.
static DECODER: Semaphore = Semaphore::const_new(1);

/// Waits until no other body is being decoded; the next one is when the answer is dropped.
pub(crate) async fn decoding() -> Option<SemaphorePermit<'static>> {
    DECODER.acquire().await.ok()
}

/// The whole body, unpacked.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, BodyError> {
    let gzip = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => false,
        Some(name) if name.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(BodyError::Encoding),
    };
    let sent = collect(body).await?;
    if gzip { unpack(&sent).map(Bytes::from) } else { Ok(sent) }
}

/// The whole body, as it was sent.
pub(super) async fn collect(body: Incoming) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > LARGEST_REQUEST as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = Limited::new(body, LARGEST_REQUEST);
    let mut sent = BytesMut::new();
    if !in_time(add(&mut sent, &mut body, SMALL_REQUEST)).await? {
        // Those that stop early hold no place from those that go on.
        let _place = READERS.acquire().await;
        in_time(add(&mut sent, &mut body, usize::MAX)).await?;
    }
    Ok(sent.freeze())
}

async fn in_time<T>(reading: impl Future<Output = Result<T, BodyError>>) -> Result<T, BodyError> {
    tokio::time::timeout(SLOWEST, reading).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Whether the body is over; else `sent` has passed `most`.
async fn add(
    sent: &mut BytesMut,
    body: &mut Limited<Incoming>,
    most: usize,
) -> Result<bool, BodyError> {
    while sent.len() <= most {
        match body.frame().await {
            None => return Ok(true),
            Some(Ok(frame)) => {
                sent.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            Some(Err(error)) if error.is::<LengthLimitError>() => return Err(BodyError::TooLarge),
            Some(Err(_)) => return Err(BodyError::Broken),
        }
    }
    Ok(false)
}

fn unpack(sent: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(sent).take(LARGEST_REQUEST as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(|_| BodyError::Gzip)?;
    if unpacked.len() > LARGEST_REQUEST { Err(BodyError::TooLarge) } else { Ok(unpacked) }
}
