//! The runtime of a thread that this crate starts.

use tokio::runtime::Runtime;

/// A runtime that may be dropped anywhere: tokio's own panics when that is inside another runtime.
pub(crate) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self(Some(runtime))
    }

    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        let _entered = self.0.as_ref().map(Runtime::enter);
        work()
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.as_ref().map(|runtime| runtime.block_on(work))
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
