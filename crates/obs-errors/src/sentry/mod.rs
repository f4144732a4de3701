//! The sink for Sentry's protocol.

mod event;
mod limits;

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use obs_otlp::client::{Answer, Client};
use sentry_types::Dsn;
use sentry_types::protocol::v7::{Envelope, EnvelopeHeaders};
use tokio::runtime::{self, Runtime};

pub(crate) use event::Origin;
use event::{event, sdk};
use limits::pause;

use crate::Error;
use crate::report::Report;
use crate::sink::{Loss, Outcome, Sink};

/// The time for one attempt of an envelope.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before the second and last attempt, where the first had no answer.
const RETRY_BACKOFF: Duration = Duration::from_secs(1);
const USER_AGENT_VALUE: &str = concat!("obs-errors/", env!("CARGO_PKG_VERSION"));
const AUTH_HEADER: &str = "x-sentry-auth";

/// Sends reports to a receiver of Sentry's protocol: one envelope each, by HTTP.
pub(crate) struct Sentry {
    url: String,
    auth: HeaderValue,
    origin: Origin,
    client: Client,
    runtime: Runtime,
    /// The end of the pause that the receiver asked for.
    paused_until: Option<Instant>,
    warned: bool,
}

impl Sentry {
    pub(crate) fn new(dsn: &Dsn, origin: Origin, client: Client) -> Result<Self, Error> {
        let auth = dsn.to_auth(Some(USER_AGENT_VALUE)).to_string();
        let auth = HeaderValue::from_str(&auth).map(|mut auth| {
            auth.set_sensitive(true);
            auth
        });
        let auth = auth.map_err(|_| invalid_dsn("has a key that no header can hold"))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            url: dsn.envelope_api_url().to_string(),
            auth,
            origin,
            client,
            runtime: runtime.map_err(Error::Thread)?,
            paused_until: None,
            warned: false,
        })
    }

    fn post(&self, body: &[u8]) -> Option<Answer> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/x-sentry-envelope")
            .header(AUTH_HEADER, self.auth.clone())
            .header(USER_AGENT, USER_AGENT_VALUE)
            .body(Bytes::copy_from_slice(body))
            .ok()?;
        self.runtime.block_on(self.client.send(request, TIMEOUT)).ok()
    }

    /// Warns once; each loss is counted.
    fn warn(&mut self, loss: &dyn fmt::Display) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                target: "obs_errors",
                "the receiver of errors {loss}; what is lost counts as obs_errors_dropped_total: see SENTRY_DSN"
            );
        }
    }
}

impl Sink for Sentry {
    fn send(&mut self, report: &Report) -> Outcome {
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return Outcome::Lost(Loss::RateLimited);
        }
        self.paused_until = None;
        let headers = EnvelopeHeaders::new()
            .with_event_id(sentry_types::Uuid::from_u128(report.id.get()))
            .with_sdk(sdk())
            .with_sent_at(std::time::SystemTime::now());
        let mut envelope = Envelope::new().with_headers(headers);
        envelope.add_item(event(report, &self.origin));
        let mut body = Vec::new();
        if envelope.to_writer(&mut body).is_err() {
            return Outcome::Lost(Loss::Discarded);
        }
        let answer = self.post(&body).or_else(|| {
            std::thread::sleep(RETRY_BACKOFF);
            self.post(&body)
        });
        let Some(answer) = answer else {
            self.warn(&"cannot be reached");
            return Outcome::Lost(Loss::Unreachable);
        };
        // A receiver may accept this one and ask for a pause.
        if let Some(pause) = pause(&answer) {
            self.paused_until = Instant::now().checked_add(pause);
        }
        match answer.status {
            status if status.is_success() => {
                self.warned = false;
                Outcome::Delivered
            }
            StatusCode::TOO_MANY_REQUESTS => Outcome::Lost(Loss::RateLimited),
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::Lost(Loss::TooLarge),
            status if status.is_server_error() => {
                self.warn(&format_args!("answered {status}"));
                Outcome::Lost(Loss::Unreachable)
            }
            status => {
                self.warn(&format_args!("answered {status}"));
                Outcome::Lost(Loss::Refused)
            }
        }
    }
}

/// Reads a DSN; its text, which has a key, is in no error.
pub(crate) fn dsn(text: &str) -> Result<Dsn, Error> {
    text.trim().parse().map_err(|error| invalid_dsn(&format!("is no DSN ({error})")))
}

fn invalid_dsn(loss: &str) -> Error {
    Error::Setting {
        name: "SENTRY_DSN",
        loss: loss.to_owned(),
        remedy: "give the project's own, such as https://KEY@sentry.example.com/42",
    }
}
