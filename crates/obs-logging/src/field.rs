//! Values that can be bound to a context or a logger.

use std::fmt;

use tracing::field::{DebugValue, DisplayValue};

use crate::encode::value;

/// A value of a bound field: numbers, booleans and text keep their type in the line.
///
/// Anything else goes through `tracing::field::display` or `tracing::field::debug`, which the macros
/// write `%value` and `?value`.
pub trait Value {
    #[doc(hidden)]
    fn encode(&self, out: &mut Vec<u8>);
}

macro_rules! value {
    ($($type:ty),+ => $write:path) => {$(
        impl Value for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $write(out, (*self).into());
            }
        }
    )+};
}

value!(u8, u16, u32, u64 => value::unsigned);
value!(i8, i16, i32, i64 => value::signed);
value!(f32, f64 => value::float);
value!(u128 => value::wide_unsigned);
value!(i128 => value::wide_signed);
value!(bool => value::boolean);

impl Value for usize {
    fn encode(&self, out: &mut Vec<u8>) {
        value::unsigned(out, *self as u64);
    }
}

impl Value for isize {
    fn encode(&self, out: &mut Vec<u8>) {
        value::signed(out, *self as i64);
    }
}

impl Value for str {
    fn encode(&self, out: &mut Vec<u8>) {
        value::text(out, self);
    }
}

impl Value for String {
    fn encode(&self, out: &mut Vec<u8>) {
        value::text(out, self);
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<T: fmt::Display> Value for DisplayValue<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        value::formatted(out, format_args!("{self}"));
    }
}

impl<T: fmt::Debug> Value for DebugValue<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        #[cfg(feature = "valuable")]
        crate::nested::field(out, None, self);
        #[cfg(not(feature = "valuable"))]
        value::formatted(out, format_args!("{self:?}"));
    }
}
