//! The order of what happens to a line, as types: see [`Builder`](crate::Builder).

/// Where a [`Builder`](crate::Builder) is in the order of the stages.
pub trait Stage: sealed::Sealed {}

/// Where processors may still be added.
pub trait BeforeRedaction: Stage {}

/// Everything may still be said.
#[derive(Clone, Copy, Debug)]
pub struct Pacing(());

/// A processor has been added: sampling and rate limits come before.
#[derive(Clone, Copy, Debug)]
pub struct Processing(());

/// Redaction has been said: processors come before.
#[derive(Clone, Copy, Debug)]
pub struct Redacting(());

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Pacing {}
impl sealed::Sealed for Processing {}
impl sealed::Sealed for Redacting {}
impl Stage for Pacing {}
impl Stage for Processing {}
impl Stage for Redacting {}
impl BeforeRedaction for Pacing {}
impl BeforeRedaction for Processing {}
