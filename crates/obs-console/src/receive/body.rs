//! A request's body, within its limits.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
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

/// Bodies that are read at once, over all receivers: each may take [`LARGEST_REQUEST`].
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
    let _place = READERS.acquire().await;
    let whole = Limited::new(body, LARGEST_REQUEST).collect();
    match tokio::time::timeout(SLOWEST, whole).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
    }
}

fn unpack(sent: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(sent).take(LARGEST_REQUEST as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(|_| BodyError::Gzip)?;
    if unpacked.len() > LARGEST_REQUEST { Err(BodyError::TooLarge) } else { Ok(unpacked) }
}
