//! Where a visitor writes values.

use crate::callsite::Callsite;
use crate::context::fields::{Fields, Key};

pub(crate) trait FieldSink<'a> {
    fn callsite(&self) -> &'a Callsite;

    /// Begins a field that the callsite has.
    fn field(&mut self, key: &Key) -> &mut Vec<u8>;

    /// Begins a field that comes of a value.
    fn part(&mut self, key: &Key) -> &mut Vec<u8>;

    /// The fields, where they are kept apart.
    fn fields(&mut self) -> Option<&mut Fields>;

    /// Begins the message.
    fn message(&mut self) -> &mut Vec<u8>;

    /// A `log` record's own target.
    fn target(&mut self) -> &mut String;
}
