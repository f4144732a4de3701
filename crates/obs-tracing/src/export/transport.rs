//! The destination of spans, and the form in which they are sent.

use std::fmt;

use std::time::Duration;

use obs_otlp::{Closing, Outcome};
#[cfg(feature = "otlp")]
use obs_otlp::{Exporter, RequestBody};

use super::encode::{Request, RequestHead};
use super::place::{EXPORTER, exporter_panicked, lost};
#[cfg(feature = "otel-sdk")]
use super::sdk;
use crate::record::Record;

/// What takes encoded requests in place of a collector.
pub(crate) type Function = Box<dyn FnMut(&[u8], usize) -> Result<(), String> + Send>;

pub(crate) enum Transport {
    #[cfg(feature = "otlp")]
    Otlp(Box<Exporter>),
    #[cfg(feature = "otel-sdk")]
    Sdk(Box<dyn sdk::Exporter>),
    Function(Function),
}

/// A request being put together.
pub(crate) enum RequestBuilder {
    Encoded(Request),
    #[cfg(feature = "otel-sdk")]
    Sdk(sdk::SdkBatch),
}

/// A request made ready once, and sent as often as it takes.
pub(crate) enum PreparedRequest {
    #[cfg(feature = "otlp")]
    Otlp(RequestBody),
    #[cfg(feature = "otel-sdk")]
    Sdk(sdk::PreparedRequest),
    Function {
        buffer: Vec<u8>,
        start: usize,
        spans: usize,
    },
}

impl Transport {
    pub(crate) fn builder(&self, head: &RequestHead) -> RequestBuilder {
        match self {
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => RequestBuilder::Sdk(sdk::SdkBatch::new()),
            _ => RequestBuilder::Encoded(Request::new(head)),
        }
    }

    pub(crate) fn pack(&self, builder: RequestBuilder, head: &RequestHead) -> PreparedRequest {
        match builder {
            RequestBuilder::Encoded(request) => {
                let spans = request.spans();
                let (buffer, start) = request.finish(head);
                match self {
                    #[cfg(feature = "otlp")]
                    Self::Otlp(exporter) => PreparedRequest::Otlp(exporter.pack(buffer, start)),
                    _ => PreparedRequest::Function { buffer, start, spans },
                }
            }
            #[cfg(feature = "otel-sdk")]
            RequestBuilder::Sdk(batch) => PreparedRequest::Sdk(batch.finish()),
        }
    }

    /// Sends until the request has an outcome or the shutdown's deadline has come. The application's own
    /// exporters are called once, for at most `timeout`: they retry themselves.
    pub(crate) async fn deliver(
        &mut self,
        request: &PreparedRequest,
        timeout: Duration,
        closing: &mut Closing,
        on_failure: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        #[cfg(feature = "otlp")]
        if let (Self::Otlp(exporter), PreparedRequest::Otlp(package)) = (&mut *self, request) {
            return exporter.deliver(package, closing, on_failure).await;
        }
        let outcome = tokio::select! {
            sent = tokio::time::timeout(timeout, self.send_once(request)) => {
                sent.unwrap_or_else(|_| lost(format!("the exporter took longer than {timeout:?}")))
            }
            () = closing.deadline_reached() => {
                let reason = "shut down before the exporter was done".to_owned();
                return Outcome::Unknown { reason };
            }
        };
        if let Outcome::Lost { reason } = &outcome {
            on_failure(reason);
        }
        outcome
    }

    async fn send_once(&mut self, request: &PreparedRequest) -> Outcome {
        match (self, request) {
            #[cfg(feature = "otel-sdk")]
            (Self::Sdk(exporter), PreparedRequest::Sdk(request)) => {
                sdk::send(&**exporter, request).await
            }
            (Self::Function(function), PreparedRequest::Function { buffer, start, spans }) => {
                let bytes = buffer.get(*start..).unwrap_or_default();
                match EXPORTER.call(|| function(bytes, *spans)) {
                    Some(Ok(())) => Outcome::Delivered { rejected: 0, message: String::new() },
                    Some(Err(reason)) => lost(reason),
                    None => exporter_panicked(),
                }
            }
            #[cfg(any(feature = "otlp", feature = "otel-sdk"))]
            _ => lost("packed for another transport"),
        }
    }

    /// Where spans go, for people.
    pub(crate) fn endpoint(&self) -> String {
        match self {
            #[cfg(feature = "otlp")]
            Self::Otlp(exporter) => exporter.endpoint(),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => "an exporter of the SDK's kind".to_owned(),
            Self::Function(_) => "a function of the application".to_owned(),
        }
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        #[cfg(feature = "otel-sdk")]
        if let Self::Sdk(exporter) = self {
            EXPORTER.call(|| exporter.end(Duration::from_secs(1)));
        }
    }
}

impl RequestBuilder {
    pub(crate) fn add(&mut self, record: &Record) {
        match self {
            Self::Encoded(request) => request.add(record),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(batch) => batch.add(record),
        }
    }

    pub(crate) fn spans(&self) -> usize {
        match self {
            Self::Encoded(request) => request.spans(),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(batch) => batch.spans(),
        }
    }

    /// Encoded bytes so far.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Encoded(request) => request.len(),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => 0,
        }
    }

    /// What it holds of each name, where it is known: name, spans, bytes.
    pub(crate) fn costs(&self) -> &[(&'static str, u64, u64)] {
        match self {
            Self::Encoded(request) => request.costs(),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => &[],
        }
    }
}

impl PreparedRequest {
    /// Bytes on the wire, without headers.
    pub(crate) fn len(&self) -> usize {
        match self {
            #[cfg(feature = "otlp")]
            Self::Otlp(package) => package.len(),
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => 0,
            Self::Function { buffer, start, .. } => buffer.len().saturating_sub(*start),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
