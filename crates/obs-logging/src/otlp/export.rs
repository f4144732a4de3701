//! The writer that sends what it is given.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tracing_core::Dispatch;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};

use super::{Otlp, encode};
use crate::Error;

/// The most bytes of lines that one request is made of.
const LARGEST: usize = 1024 * 1024;

/// The least time from one request to the next, so that requests are worth their headers.
const APART: Duration = Duration::from_millis(200);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A request's timeout past this would overflow the clock's arithmetic.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

const LONGEST_ANSWER: u64 = 64 * 1024;

/// Takes lines and sends them as records. A line counts as written when the collector has said so.
pub(crate) struct Exporter {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    resource: Vec<u8>,
    event_key: String,
    retry_for: Duration,
    gzip: bool,
    rejected: Arc<AtomicU64>,
    sent_last: Option<Instant>,
    /// Whether the lines of one pass have begun to be sent.
    is_sending: bool,
}

/// Why a request was in vain.
enum Failure {
    /// It may be taken later: after so long, where the collector said so.
    Passing(Option<Duration>, String),
    Lasting(String),
}

impl Exporter {
    pub(crate) fn new(otlp: Otlp, event_key: String) -> Result<Self, Error> {
        let agent = Agent::config_builder()
            .timeout_global(Some(otlp.timeout.min(LONGEST_TIMEOUT)))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("OTel-OTLP-Exporter-obs-rust/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self {
            agent,
            url: otlp.url()?,
            headers: otlp.headers,
            resource: encode::resource(&otlp.resource),
            event_key,
            retry_for: otlp.retry_for,
            gzip: otlp.gzip,
            rejected: otlp.rejected,
            sent_last: None,
            is_sending: false,
        })
    }

    /// Sends until the collector has taken it, or until there is no hope.
    fn deliver(&self, request: &[u8]) -> io::Result<()> {
        let end = Instant::now().checked_add(self.retry_for);
        let mut pause = FIRST_PAUSE;
        loop {
            let (after, reason) = match self.send(request) {
                Ok(()) => return Ok(()),
                Err(Failure::Lasting(reason)) => return Err(io::Error::other(reason)),
                Err(Failure::Passing(after, reason)) => (after, reason),
            };
            let wait = after.unwrap_or(pause);
            let resumes = Instant::now().checked_add(wait);
            if resumes.is_none() || end.is_some_and(|end| resumes > Some(end)) {
                return Err(io::Error::other(reason));
            }
            thread::sleep(wait);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn send(&self, request: &[u8]) -> Result<(), Failure> {
        let mut post = self.agent.post(&self.url).header(CONTENT_TYPE, "application/x-protobuf");
        if self.gzip {
            post = post.header(CONTENT_ENCODING, "gzip");
        }
        for (name, value) in &self.headers {
            post = post.header(name, value);
        }
        let mut response =
            post.send(request).map_err(|error| Failure::Passing(None, error.to_string()))?;
        let status = response.status();
        let reason = format!("the collector answered {status}");
        match status {
            status if status.is_success() => {
                // Read to the end, so that the connection can be used again.
                let answer = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
                let rejected = answer.map_or(0, |answer| rejected(&answer));
                self.rejected.fetch_add(rejected, Ordering::Relaxed);
                Ok(())
            }
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let after =
                    response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
                let after = after.and_then(|after| after.trim().parse().ok());
                Err(Failure::Passing(after.map(Duration::from_secs), reason))
            }
            _ => Err(Failure::Lasting(reason)),
        }
    }
}

/// One call is one request, of as many whole lines as it may hold.
impl Write for Exporter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if lines.iter().all(|byte| *byte == b'\n') {
            return Ok(lines.len());
        }
        let part = match lines.len() <= LARGEST {
            true => lines,
            false => {
                let end_of_line = |byte: &u8| *byte == b'\n';
                let end = lines[..LARGEST].iter().rposition(end_of_line);
                let end = end.or_else(|| lines.iter().position(end_of_line));
                &lines[..end.map_or(lines.len(), |end| end + 1)]
            }
        };
        if !self.is_sending {
            self.is_sending = true;
            let passed = self.sent_last.map_or(APART, |last| last.elapsed());
            thread::sleep(APART.saturating_sub(passed));
        }
        let request = encode::request(&self.resource, &self.event_key, part);
        let request = if self.gzip { gzip(&request)? } else { request };
        // What the client itself logs must not come here again.
        let sent =
            tracing_core::dispatcher::with_default(&Dispatch::none(), || self.deliver(&request));
        self.sent_last = Some(Instant::now());
        sent.map(|()| part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.is_sending = false;
        Ok(())
    }
}

fn gzip(request: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(request)?;
    encoder.finish()
}

/// `partial_success.rejected_log_records` of an `ExportLogsServiceResponse`; 0 where it says nothing.
fn rejected(answer: &[u8]) -> u64 {
    let partial_success = fields(answer).filter_map(|(number, field)| match (number, field) {
        (1, Field::Bytes(bytes)) => Some(bytes),
        _ => None,
    });
    // Of a field that comes twice, the last holds.
    let rejected = partial_success.flat_map(fields).filter_map(|(number, field)| match field {
        Field::Varint(rejected) if number == 1 => u64::try_from(rejected.cast_signed()).ok(),
        _ => None,
    });
    rejected.last().unwrap_or_default()
}

/// The value of a protobuf field, as far as an answer needs it.
enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a protobuf message, up to the first that is malformed.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(take(&mut message, length)?)
            }
            5 => take(&mut message, 4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    })
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for position in 0..10 {
        let byte = *take(message, 1)?.first()?;
        number |= u64::from(byte & 0x7f).unbounded_shl(7 * position);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::rejected;

    #[test]
    fn an_answer_tells_how_many_were_rejected() {
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"no protobuf"), 0);
        assert_eq!(rejected(&[0x0a, 0x02, 0x08, 0x07]), 7);
        assert_eq!(rejected(&[0x0a, 0x05, 0x08, 0xac, 0x02, 0x12, 0x00]), 300);
        assert_eq!(rejected(&[0x0a, 0x02, 0x12, 0x00]), 0);
    }

    #[test]
    fn an_answer_with_a_long_error_message_tells_how_many_were_rejected() {
        for length in [0, 1, 127, 128, 300, 20_000_usize] {
            use opentelemetry_proto::tonic::collector::logs::v1::{
                ExportLogsPartialSuccess, ExportLogsServiceResponse,
            };
            use prost::Message;
            let partial_success = Some(ExportLogsPartialSuccess {
                rejected_log_records: 300,
                error_message: "x".repeat(length),
            });
            let answer = ExportLogsServiceResponse { partial_success }.encode_to_vec();
            assert_eq!(rejected(&answer), 300, "{length}");
            for end in 0..answer.len().min(200) {
                assert!([0, 300].contains(&rejected(&answer[..end])), "cut at {end}");
            }
        }
    }
}
