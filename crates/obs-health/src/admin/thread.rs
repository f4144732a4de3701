//! The admin server's own thread and runtime.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::admin::connections::{Shared, serve};
use crate::admin::handlers::MAX_HANDLERS;
use crate::admin::listen::{Endpoint, Listener};
use crate::error::{Error, Kind};
use crate::own_runtime::OwnRuntime;

/// Past the deadline of a stop, before the thread is left behind.
const STOP_GRACE: Duration = Duration::from_millis(100);

pub(crate) struct Thread {
    stop: Option<oneshot::Sender<Duration>>,
    handle: Option<JoinHandle<u64>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Thread {
    /// How many requests were left without an answer; `None` when the thread did not end in order.
    pub(crate) fn stop(&mut self, deadline: Duration) -> Option<u64> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(deadline);
        }
        let handle = self.handle.take()?;
        let ended = self.ended.recv_timeout(deadline.saturating_add(STOP_GRACE));
        if matches!(ended, Err(RecvTimeoutError::Timeout)) {
            // Its thread is blocked: the shutdown does not wait for it.
            tracing::warn!("the admin server did not stop in time: left to the process's end");
            return None;
        }
        let lost = handle.join().ok();
        if lost.is_none() {
            tracing::error!("the admin server's thread panicked");
        }
        lost
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let _nobody_asks = self.stop(Duration::from_millis(100));
    }
}

/// Binds and serves; the address is that of a TCP listener.
pub(crate) fn start(
    endpoint: &Endpoint,
    shared: Shared,
) -> Result<(Option<SocketAddr>, Thread), Error> {
    let what = "the admin server";
    let bind = |source| Error::new(Kind::Bind { what, endpoint: endpoint.to_string(), source });
    let failed = |source| Error::new(Kind::Thread { what, source });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("obs-admin-handler")
        // Handlers may themselves use `spawn_blocking`.
        .max_blocking_threads(2 * MAX_HANDLERS)
        .build();
    let runtime = OwnRuntime::new(runtime.map_err(failed)?);
    let listener = runtime.enter(|| Listener::bind(endpoint)).map_err(bind)?;
    let addr = listener.local_addr().map_err(bind)?;
    let (stop, stopped) = oneshot::channel();
    let (ends, ended) = channel::<()>();
    let serve = move || {
        let _ends = ends;
        runtime.block_on(serve(listener, shared, stopped)).unwrap_or_default()
    };
    let handle =
        std::thread::Builder::new().name("obs-admin".into()).spawn(serve).map_err(failed)?;
    Ok((addr, Thread { stop: Some(stop), handle: Some(handle), ended }))
}
