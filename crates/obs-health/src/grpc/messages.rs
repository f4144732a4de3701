//! The messages of grpc.health.v1.

/// `grpc.health.v1.HealthCheckRequest`: asks for a service, or with an empty name for the server.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthCheckRequest {
    /// A group of checks, or empty for all of them.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthCheckResponse {
    /// A [`ServingStatus`].
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub status: i32,
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ServingStatus {
    /// Never sent.
    Unknown = 0,
    /// Requests may be sent.
    Serving = 1,
    /// Starting, down, draining or stopped.
    NotServing = 2,
    /// There is no such service: sent by `Watch` only.
    ServiceUnknown = 3,
}
