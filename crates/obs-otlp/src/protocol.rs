//! Protocols and compressions.

use std::fmt;

/// An OTLP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// gRPC; collectors listen on port 4317.
    Grpc,
    /// Protobuf in plain HTTP requests; collectors listen on port 4318.
    HttpProtobuf,
    /// JSON in plain HTTP requests, for receivers that read nothing else: about twice the bytes. Port 4318.
    HttpJson,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, at its fastest level: a tenth of the bytes, for some microseconds a kilobyte.
    #[cfg(feature = "gzip")]
    Gzip,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];

    #[cfg(feature = "export")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }

    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Compression {
    #[cfg(feature = "export")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            #[cfg(feature = "gzip")]
            "gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
        })
    }
}
