//! `/debug/pprof/`, where this program was built to have it.

use obs_health::admin::Builder;

#[cfg(all(feature = "profiling", target_os = "linux"))]
pub(super) fn add(builder: Builder) -> Builder {
    use obs_profiling::endpoint::{PATHS, answer};
    // Without the allocator, the answer of `heap` tells how to install it.
    let _ = obs_profiling::heap::start(obs_profiling::heap::INTERVAL);
    PATHS.into_iter().fold(builder, |builder, path| builder.protected_route(path, answer))
}

#[cfg(not(all(feature = "profiling", target_os = "linux")))]
pub(super) fn add(builder: Builder) -> Builder {
    builder
}
