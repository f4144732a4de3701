//! The admin server's own thread and runtime.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::Error;
use crate::admin::AdminServer;
use crate::admin::connections::{Shared, serve};
use crate::admin::handlers::MAX_HANDLERS;
use crate::admin::listen::{Listener, Place};
use crate::error::Kind;

/// Past the deadline of a stop, before the thread is left behind.
const STOP_GRACE: Duration = Duration::from_millis(100);

pub(crate) struct Thread {
    stop: Option<oneshot::Sender<Duration>>,
    handle: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Thread {
    pub(crate) fn stop(&mut self, deadline: Duration) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(deadline);
        }
        let Some(handle) = self.handle.take() else { return };
        let ended = self.ended.recv_timeout(deadline.saturating_add(STOP_GRACE));
        if matches!(ended, Err(RecvTimeoutError::Timeout)) {
            // A handler blocks its thread: the shutdown does not wait for it.
            tracing::warn!("the admin server did not stop in time: left to the process's end");
            return;
        }
        if handle.join().is_err() {
            tracing::error!("the admin server's thread panicked");
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop(Duration::from_millis(100));
    }
}

/// A runtime that may be dropped anywhere: tokio's own panics when that is inside another runtime.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn enter<T>(&self, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        let _entered = self.0.as_ref().map(Runtime::enter);
        work()
    }

    fn block_on(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn start(place: &Place, shared: Shared) -> Result<AdminServer, Error> {
    let what = "the admin server";
    let bind = |source| Error::new(Kind::Bind { what, place: place.to_string(), source });
    let failed = |source| Error::new(Kind::Thread { what, source });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("obs-admin-handler")
        // Handlers may themselves use `spawn_blocking`.
        .max_blocking_threads(2 * MAX_HANDLERS)
        .build();
    let runtime = OwnRuntime(Some(runtime.map_err(failed)?));
    let listener = runtime.enter(|| Listener::bind(place)).map_err(bind)?;
    let addr = listener.local_addr().map_err(bind)?;
    let (stop, stopped) = oneshot::channel();
    let (ends, ended) = channel::<()>();
    let serve = move || {
        let _ends = ends;
        runtime.block_on(serve(listener, shared, stopped));
    };
    let handle =
        std::thread::Builder::new().name("obs-admin".into()).spawn(serve).map_err(failed)?;
    Ok(AdminServer { addr, thread: Thread { stop: Some(stop), handle: Some(handle), ended } })
}
