//! What a scripted collector answers, in the shape that the request's protocol has for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use hyper::{HeaderMap, Response};

/// How one request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Takes everything.
    Accept,
    /// Takes all but this many items.
    Partial(u64),
    /// An HTTP status, with these headers and this text, whatever the protocol.
    Http(u16, Vec<(&'static str, String)>, &'static str),
    /// A gRPC status, with a `RetryInfo` of this long and this text.
    Grpc(u32, Option<Duration>, &'static str),
    /// Takes everything after this long.
    Late(Duration),
    /// Accepts everything, with a malformed body.
    Garbage,
    /// Takes everything, in a body of a megabyte.
    Long,
    /// A head that takes everything, and a body that never ends.
    Endless,
    /// No answer at all.
    Hang,
    /// The connection is closed.
    Reset,
}

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The shape of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFormat {
    Grpc,
    Protobuf,
    Json,
}

impl RequestFormat {
    pub(super) fn of(content_type: &str) -> Self {
        match content_type {
            "application/grpc" => Self::Grpc,
            "application/json" => Self::Json,
            _ => Self::Protobuf,
        }
    }
}

impl Answer {
    pub(super) fn response(&self, format: RequestFormat, rejected_key: &str) -> Response<Body> {
        match self {
            Self::Http(status, headers, text) => {
                let mut response = Response::builder().status(*status);
                for (name, value) in headers {
                    response = response.header(*name, value);
                }
                response.body(body(text.as_bytes().to_vec(), None)).unwrap()
            }
            Self::Grpc(code, after, text) => grpc(Vec::new(), *code, *after, text),
            Self::Partial(rejected) => {
                let json = format!(
                    "{{\"partialSuccess\":{{\"{rejected_key}\":\"{rejected}\",\"errorMessage\":\"too old\"}}}}"
                );
                let partial = [&[1 << 3, *rejected as u8, 2 << 3 | 2, 7][..], b"too old"].concat();
                let protobuf = [&[1 << 3 | 2, partial.len() as u8][..], &partial].concat();
                success(format, protobuf, json.into_bytes())
            }
            Self::Garbage => success(format, vec![0xff; 300], vec![0xff; 300]),
            Self::Long => success(format, vec![0; 1024 * 1024], vec![b' '; 1024 * 1024]),
            Self::Endless => {
                let mut response = Response::new(NeverReady.boxed_unsync());
                let kind =
                    if format == RequestFormat::Grpc { "application/grpc" } else { "text/plain" };
                response.headers_mut().insert("content-type", kind.parse().unwrap());
                response
            }
            Self::Accept | Self::Late(_) | Self::Hang | Self::Reset => {
                success(format, Vec::new(), b"{}".to_vec())
            }
        }
    }
}

fn success(format: RequestFormat, protobuf: Vec<u8>, json: Vec<u8>) -> Response<Body> {
    let (content_type, content) = match format {
        RequestFormat::Grpc => return grpc(protobuf, 0, None, ""),
        RequestFormat::Protobuf => ("application/x-protobuf", protobuf),
        RequestFormat::Json => ("application/json", json),
    };
    Response::builder().header("content-type", content_type).body(body(content, None)).unwrap()
}

fn grpc(message: Vec<u8>, code: u32, after: Option<Duration>, text: &str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers.insert("grpc-message", text.replace(' ', "%20").parse().unwrap());
    if let Some(after) = after {
        let details = base64(&details(code, after));
        trailers.insert("grpc-status-details-bin", details.parse().unwrap());
    }
    let mut framed = Vec::new();
    if code == 0 {
        framed.push(0);
        framed.extend((message.len() as u32).to_be_bytes());
        framed.extend(message);
    }
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(body(framed, Some(trailers))).unwrap()
}

fn body(content: Vec<u8>, trailers: Option<HeaderMap>) -> Body {
    let content = http_body_util::Full::new(Bytes::from(content));
    let content = content.map_err(|never| match never {});
    match trailers {
        None => content.boxed_unsync(),
        Some(trailers) => content.with_trailers(async move { Some(Ok(trailers)) }).boxed_unsync(),
    }
}

/// A body that never comes to its first frame.
struct NeverReady;

impl hyper::body::Body for NeverReady {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

/// `google.rpc.Status { code, details: [Any(RetryInfo { retry_delay })] }`, by hand.
fn details(code: u32, after: Duration) -> Vec<u8> {
    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2][..], &varint(content.len() as u64), content].concat()
    }
    let delay = [
        &[1 << 3][..],
        &varint(after.as_secs()),
        &[2 << 3],
        &varint(u64::from(after.subsec_nanos())),
    ];
    let info = field(1, &delay.concat());
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &info)].concat();
    [vec![1 << 3, code as u8], field(3, &any)].concat()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            text.push(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize] as char);
        }
    }
    text
}
