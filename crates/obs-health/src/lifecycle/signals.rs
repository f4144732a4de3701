//! SIGTERM and SIGINT: the first starts the shutdown, the second hurries it, the third exits.

use tokio::signal::unix::{SignalKind, signal};

use crate::Error;
use crate::error::Kind;
use crate::lifecycle::Lifecycle;

pub(crate) fn watch(lifecycle: Lifecycle) -> Result<(), Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        let source = std::io::Error::other("no tokio runtime");
        return Err(Error::new(Kind::Signals { source }));
    }
    let failed = |source| Error::new(Kind::Signals { source });
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        for time in 1_u32.. {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            match time {
                1 => tracing::info!(signal = name, "shutting down"),
                2 => tracing::warn!(signal = name, "shutting down in a hurry: flushes only"),
                _ => std::process::exit(if name == "SIGTERM" { 143 } else { 130 }),
            }
            lifecycle.shut_down();
        }
    });
    Ok(())
}
