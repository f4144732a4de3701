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
            .timeout_global(Some(otlp.timeout))
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
        let end = Instant::now() + self.retry_for;
        let mut pause = FIRST_PAUSE;
        loop {
            let (after, reason) = match self.send(request) {
                Ok(()) => return Ok(()),
                Err(Failure::Lasting(reason)) => return Err(io::Error::other(reason)),
                Err(Failure::Passing(after, reason)) => (after, reason),
            };
            let wait = after.unwrap_or(pause);
            if Instant::now() + wait > end {
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
            StatusCode::OK => {
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

/// `partial_success.rejected_log_records` of an `ExportLogsServiceResponse`.
fn rejected(answer: &[u8]) -> u64 {
    let number = || {
        let [0x0a, _, 0x08, rest @ ..] = answer else { return None };
        let mut number = 0;
        for (position, byte) in rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * position as u32).min(63);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    };
    number().unwrap_or_default()
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
}
