//! How an exchange ended.

use std::time::Duration;

use http::{Method, StatusCode};
use obs_context::Route;

use crate::grpc;

/// Which of the possible ends an exchange came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The response's body was sent (server) or read (client) to its end.
    Completed,
    /// The body was dropped before its end: the peer disconnected, or the reader stopped.
    BodyAborted,
    /// The body failed while it was produced.
    BodyFailed,
    /// The future was dropped before there was a response: the client disconnected, or a timeout.
    Cancelled,
    /// The handler or its body panicked.
    Panicked,
    /// The service returned an error instead of a response.
    Failed,
}

impl Outcome {
    /// The value of a label or a field: `completed`, `body_aborted`, `body_failed`, `cancelled`,
    /// `panicked`, `failed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::BodyAborted => "body_aborted",
            Self::BodyFailed => "body_failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
        }
    }
}

/// What is known of an exchange when it is over.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// The request's method.
    pub method: Method,
    /// The route template: [`Route::UNMATCHED`] where none matched. Of a gRPC call that a router matched by its service
    /// alone (`/shop.Orders/{*rest}`, as tonic's `Routes` do) the method, unless it is not implemented.
    pub route: Route,
    /// The response's status, when there was a response.
    pub status: Option<StatusCode>,
    /// Of a gRPC call ([`is_grpc`](crate::is_grpc)): the code of its trailers, or of the head of an answer
    /// without a body. INTERNAL after a panic, CANCELLED for a call that was dropped, else what gRPC makes of
    /// the HTTP status.
    pub grpc_status: Option<u16>,
    /// From the request's head to the end of the response's body; zero where no observer of the layer
    /// [is timed](crate::Exchange::IS_TIMED).
    pub duration: Duration,
    /// Bytes of the response's body that were handed on, before any transfer coding.
    pub response_bytes: u64,
}

impl End {
    /// The status to count the exchange under: the response's own; 500 after a panic or a service's
    /// error; 499 for a request that was cancelled before there was a response (as nginx has it). The head of
    /// a gRPC call says 200 whatever happened: it counts under the HTTP status of its code, by
    /// `google/rpc/code.proto` (404 of NOT_FOUND, 503 of UNAVAILABLE).
    pub fn status_code(&self) -> u16 {
        if let (Some(code), Some(StatusCode::OK)) = (self.grpc_status, self.status) {
            return grpc::http_status(code);
        }
        match (self.outcome, self.status) {
            (Outcome::Panicked, _) | (Outcome::Failed, None) => 500,
            (_, Some(status)) => status.as_u16(),
            (_, None) => 499,
        }
    }

    /// Why a client's request failed, as OpenTelemetry's `error.type` has it: the status of a 4xx or 5xx,
    /// or `error` (no response), `cancelled` (dropped before the response), `body_failed`, `panic`. A body
    /// that the client itself dropped is no failure. Of a gRPC call it is the name of any code but OK.
    pub fn client_error_type(&self) -> Option<&str> {
        match self.outcome {
            Outcome::Failed => Some("error"),
            Outcome::Cancelled => Some("cancelled"),
            Outcome::Panicked => Some("panic"),
            Outcome::BodyFailed => Some("body_failed"),
            Outcome::Completed if self.grpc_status.is_some() => match self.grpc_status {
                Some(0) | None => None,
                Some(code) => Some(obs_guard::grpc_code_name(u32::from(code)).unwrap_or("_OTHER")),
            },
            Outcome::Completed | Outcome::BodyAborted => {
                let status = self.status.as_ref().filter(|status| status.as_u16() >= 400);
                status.map(StatusCode::as_str)
            }
        }
    }
}
