//! The states of a service.

/// What a service can do at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A start-up latch is open, or a critical check has not answered yet.
    Starting,
    /// It can serve.
    Ready,
    /// It can serve; an informational check is down.
    Degraded,
    /// A critical check is down, or the runtime is wedged.
    NotReady,
    /// It is shutting down and finishes what it has.
    Draining,
    /// It has shut down.
    Stopped,
}

impl State {
    /// `starting`, `ready`, `degraded`, `not_ready`, `draining` or `stopped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Whether traffic may be sent: [`State::Ready`] or [`State::Degraded`].
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}
