//! The three signals, and what OTLP and OpenTelemetry's variables call them.

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// An option that a signal may have for itself, `OTEL_EXPORTER_OTLP_LOGS_TIMEOUT`, or share with the others,
/// `OTEL_EXPORTER_OTLP_TIMEOUT`.
#[cfg(feature = "export")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalOption {
    Endpoint,
    Protocol,
    Headers,
    Compression,
    Timeout,
    Certificate,
    ClientCertificate,
    ClientKey,
}

#[cfg(feature = "export")]
macro_rules! variables {
    ($signal:expr, $($known:path => $name:literal),+) => {
        match $signal {
            $($known => |option| match option {
                SignalOption::Endpoint => variables!(@ $name, "ENDPOINT"),
                SignalOption::Protocol => variables!(@ $name, "PROTOCOL"),
                SignalOption::Headers => variables!(@ $name, "HEADERS"),
                SignalOption::Compression => variables!(@ $name, "COMPRESSION"),
                SignalOption::Timeout => variables!(@ $name, "TIMEOUT"),
                SignalOption::Certificate => variables!(@ $name, "CERTIFICATE"),
                SignalOption::ClientCertificate => variables!(@ $name, "CLIENT_CERTIFICATE"),
                SignalOption::ClientKey => variables!(@ $name, "CLIENT_KEY"),
            },)+
        }
    };
    (@ $name:literal, $option:literal) => {
        [
            concat!("OTEL_EXPORTER_OTLP_", $name, "_", $option),
            concat!("OTEL_EXPORTER_OTLP_", $option),
        ]
    };
}

impl Signal {
    /// The signal's own variable of an option, and the one of all signals.
    #[cfg(feature = "export")]
    pub(crate) fn variables(self, option: SignalOption) -> [&'static str; 2] {
        let of: fn(SignalOption) -> [&'static str; 2] = variables!(
            self,
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS"
        );
        of(option)
    }

    /// The variable that lists its exporters.
    pub(crate) fn exporter_variable(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_TRACES_EXPORTER",
            Self::Metrics => "OTEL_METRICS_EXPORTER",
            Self::Logs => "OTEL_LOGS_EXPORTER",
        }
    }

    /// The path below an endpoint for all signals.
    pub fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The path of the gRPC method.
    pub fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    /// What a request is made of.
    pub fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metrics",
            Self::Logs => "log records",
        }
    }

    /// How many of them were rejected, in a JSON answer.
    #[cfg(feature = "export")]
    pub(crate) fn rejected_key(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Metrics => "rejectedDataPoints",
            Self::Logs => "rejectedLogRecords",
        }
    }
}
