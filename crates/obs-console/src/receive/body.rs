//! A request's body, within its limits.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

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

/// The whole body, unpacked.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, BodyError> {
    let gzip = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => false,
        Some(name) if name.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(BodyError::Encoding),
    };
    if body.size_hint().lower() > LARGEST_REQUEST as u64 {
        return Err(BodyError::TooLarge);
    }
    let whole = Limited::new(body, LARGEST_REQUEST).collect();
    let sent = match tokio::time::timeout(SLOWEST, whole).await {
        Err(_) => return Err(BodyError::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(BodyError::TooLarge),
        Ok(Err(_)) => return Err(BodyError::Broken),
        Ok(Ok(whole)) => whole.to_bytes(),
    };
    if gzip { unpack(&sent).map(Bytes::from) } else { Ok(sent) }
}

fn unpack(sent: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    let mut limited = MultiGzDecoder::new(sent).take(LARGEST_REQUEST as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(|_| BodyError::Gzip)?;
    if unpacked.len() > LARGEST_REQUEST { Err(BodyError::TooLarge) } else { Ok(unpacked) }
}
