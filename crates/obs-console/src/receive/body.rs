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

use super::MAX_REQUEST_BYTES;

/// The time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

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

/// A larger body takes a permit of [`READERS`].
const MAX_SMALL_BODY_BYTES: usize = 16 * 1024;

/// Large bodies that are read at once, over all receivers: each may take [`MAX_REQUEST_BYTES`].
static READERS: Semaphore = Semaphore::const_new(32);
/// A body of 4 MiB that holds nothing but empty spans decodes to a hundred times as much: one at a time.
static DECODER: Semaphore = Semaphore::const_new(1);

/// Waits until no other body is being decoded. Dropping the permit lets the next one in.
pub(crate) async fn decode_permit() -> Option<SemaphorePermit<'static>> {
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
    if gzip { gunzip(&sent).map(Bytes::from) } else { Ok(sent) }
}

/// The whole body, as it was sent.
pub(super) async fn collect(body: Incoming) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > MAX_REQUEST_BYTES as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut body = Limited::new(body, MAX_REQUEST_BYTES);
    let mut sent = BytesMut::new();
    if !with_timeout(read_up_to(&mut sent, &mut body, MAX_SMALL_BODY_BYTES)).await? {
        // A sender that stops early holds no permit.
        let _permit = READERS.acquire().await;
        with_timeout(read_up_to(&mut sent, &mut body, usize::MAX)).await?;
    }
    Ok(sent.freeze())
}

async fn with_timeout<T>(
    reading: impl Future<Output = Result<T, BodyError>>,
) -> Result<T, BodyError> {
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Reads until the body ends (`true`), or `sent` is longer than `limit`.
async fn read_up_to(
    sent: &mut BytesMut,
    body: &mut Limited<Incoming>,
    limit: usize,
) -> Result<bool, BodyError> {
    while sent.len() <= limit {
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

fn gunzip(sent: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(sent).take(MAX_REQUEST_BYTES as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(|_| BodyError::Gzip)?;
    if unpacked.len() > MAX_REQUEST_BYTES { Err(BodyError::TooLarge) } else { Ok(unpacked) }
}
