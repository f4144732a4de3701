//! Where requests go.

use std::fmt;

#[cfg(feature = "otlp")]
use super::otlp::{Body, Client};
use super::outcome::Outcome;

/// What takes encoded requests in place of a collector.
pub(crate) type Function = Box<dyn FnMut(&[u8], usize) -> Result<(), String> + Send>;

pub(crate) enum Transport {
    #[cfg(feature = "otlp")]
    Otlp(Box<Client>),
    Function(Function),
}

/// A request made ready once, and sent as often as it takes.
pub(crate) enum Parcel {
    #[cfg(feature = "otlp")]
    Otlp(Body),
    Function {
        buffer: Vec<u8>,
        start: usize,
        spans: usize,
    },
}

impl Transport {
    pub(crate) fn pack(&self, buffer: Vec<u8>, start: usize, spans: usize) -> Parcel {
        match self {
            #[cfg(feature = "otlp")]
            Self::Otlp(client) => Parcel::Otlp(client.body(buffer, start)),
            Self::Function(_) => Parcel::Function { buffer, start, spans },
        }
    }

    pub(crate) async fn send(&mut self, parcel: &Parcel) -> Outcome {
        match (self, parcel) {
            #[cfg(feature = "otlp")]
            (Self::Otlp(client), Parcel::Otlp(body)) => client.send(body).await,
            (Self::Function(function), Parcel::Function { buffer, start, spans }) => {
                match function(buffer.get(*start..).unwrap_or_default(), *spans) {
                    Ok(()) => Outcome::Accepted { rejected: 0, message: String::new() },
                    Err(reason) => Outcome::Refused { reason },
                }
            }
            #[cfg(feature = "otlp")]
            _ => Outcome::Refused { reason: "packed for another transport".to_owned() },
        }
    }
}

impl Parcel {
    /// Bytes on the wire, without headers.
    pub(crate) fn len(&self) -> usize {
        match self {
            #[cfg(feature = "otlp")]
            Self::Otlp(body) => body.len(),
            Self::Function { buffer, start, .. } => buffer.len() - start,
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
