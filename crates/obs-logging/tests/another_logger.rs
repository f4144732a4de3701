//! A logger that sends records elsewhere. One test: a process has one logger.
#![allow(clippy::unwrap_used, reason = "a test may")]

struct Elsewhere;

impl log::Log for Elsewhere {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

#[test]
fn bridge_beside_foreign_logger_is_rejected() {
    log::set_logger(&Elsewhere).unwrap();
    let error = obs_logging::bridge::install().unwrap_err().to_string();
    assert!(error.contains("already has a logger") && error.contains("tracing-log"), "{error}");
}
