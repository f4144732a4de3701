//! Where spans go, and in which shape.

use std::fmt;

use std::time::Duration;

use obs_otlp::{Closing, Outcome};
#[cfg(feature = "otlp")]
use obs_otlp::{Exporter, RequestBody};

use super::encode::{Head, Request};
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
pub(crate) enum Draft {
    Encoded(Request),
    #[cfg(feature = "otel-sdk")]
    Sdk(sdk::Batch),
}

/// A request made ready once, and sent as often as it takes.
pub(crate) enum Parcel {
    #[cfg(feature = "otlp")]
    Otlp(RequestBody),
    #[cfg(feature = "otel-sdk")]
    Sdk(sdk::Parcel),
    Function {
        buffer: Vec<u8>,
        start: usize,
        spans: usize,
    },
}

impl Transport {
    pub(crate) fn draft(&self, head: &Head) -> Draft {
        match self {
            #[cfg(feature = "otel-sdk")]
            Self::Sdk(_) => Draft::Sdk(sdk::Batch::new()),
            _ => Draft::Encoded(Request::new(head)),
        }
    }

    pub(crate) fn pack(&self, draft: Draft, head: &Head) -> Parcel {
        match draft {
            Draft::Encoded(request) => {
                let spans = request.spans();
                let (buffer, start) = request.finish(head);
                match self {
                    #[cfg(feature = "otlp")]
                    Self::Otlp(exporter) => Parcel::Otlp(exporter.pack(buffer, start)),
                    _ => Parcel::Function { buffer, start, spans },
                }
            }
            #[cfg(feature = "otel-sdk")]
            Draft::Sdk(batch) => Parcel::Sdk(batch.finish()),
        }
    }

    /// Sends until the parcel's fate is known, or the deadline of the shutdown has come. The application's own
    /// exporters are asked once, for at most `timeout`: to try again is their business.
    pub(crate) async fn deliver(
        &mut self,
        parcel: &Parcel,
        timeout: Duration,
        closing: &mut Closing,
        failing: &mut (dyn FnMut(&str) + Send),
    ) -> Outcome {
        #[cfg(feature = "otlp")]
        if let (Self::Otlp(exporter), Parcel::Otlp(package)) = (&mut *self, parcel) {
            return exporter.deliver(package, closing, failing).await;
        }
        let outcome = tokio::select! {
            sent = tokio::time::timeout(timeout, self.send_once(parcel)) => {
                sent.unwrap_or_else(|_| lost(format!("the exporter took longer than {timeout:?}")))
            }
            () = closing.deadline_reached() => {
                let reason = "shut down before the exporter was done".to_owned();
                return Outcome::Unknown { reason };
            }
        };
        if let Outcome::Lost { reason } = &outcome {
            failing(reason);
        }
        outcome
    }

    async fn send_once(&mut self, parcel: &Parcel) -> Outcome {
        match (self, parcel) {
            #[cfg(feature = "otel-sdk")]
            (Self::Sdk(exporter), Parcel::Sdk(parcel)) => sdk::send(&**exporter, parcel).await,
            (Self::Function(function), Parcel::Function { buffer, start, spans }) => {
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

impl Draft {
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

impl Parcel {
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
