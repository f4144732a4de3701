//! What functions that report an error take.

use std::error::Error;
use std::fmt;

/// An error, or what holds one: any type of [`std::error::Error`], a `dyn Error`, a box of one, and an
/// `anyhow::Error` or `eyre::Report`, which are no errors to the standard library.
///
/// `Kind` is found by the compiler: it keeps the implementations apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that can be reported",
    note = "give a reference to a type of `std::error::Error`, a `dyn Error`, a `Box<dyn Error>`, an `anyhow::Error` or an `eyre::Report`"
)]
pub trait AsError<Kind> {
    /// The name of the error's type, where it has one.
    fn type_name(&self) -> Option<&'static str>;

    /// Hands the error to `read`.
    fn with_error<R>(&self, read: impl FnOnce(&dyn Error) -> R) -> R;

    /// The error, which borrows nothing.
    fn as_error(&self) -> &(dyn Error + 'static)
    where
        Self: 'static;
}

/// Of a type of error.
#[derive(Debug)]
pub struct Itself;

/// Of a `dyn Error`.
#[derive(Debug)]
pub struct Dynamic;

/// Of what is a reference to an error: `Box<dyn Error>`, the errors of anyhow and eyre.
#[derive(Debug)]
pub struct Holder;

/// Of the other boxes.
#[derive(Debug)]
pub struct Boxed;

impl<E: Error> AsError<Itself> for E {
    fn type_name(&self) -> Option<&'static str> {
        Some(std::any::type_name::<E>())
    }

    fn with_error<R>(&self, read: impl FnOnce(&dyn Error) -> R) -> R {
        read(&Wrapped(self))
    }

    fn as_error(&self) -> &(dyn Error + 'static)
    where
        Self: 'static,
    {
        self
    }
}

impl<E: AsRef<dyn Error>> AsError<Holder> for E {
    fn type_name(&self) -> Option<&'static str> {
        None
    }

    fn with_error<R>(&self, read: impl FnOnce(&dyn Error) -> R) -> R {
        read(self.as_ref())
    }

    fn as_error(&self) -> &(dyn Error + 'static)
    where
        Self: 'static,
    {
        self.as_ref()
    }
}

macro_rules! dynamic {
    ($($bound:ident)*) => {
        impl<'a> AsError<Dynamic> for dyn Error $(+ $bound)* + 'a {
            fn type_name(&self) -> Option<&'static str> {
                None
            }

            fn with_error<R>(&self, read: impl FnOnce(&dyn Error) -> R) -> R {
                read(&Wrapped(self))
            }

            fn as_error(&self) -> &(dyn Error + 'static)
            where
                Self: 'static,
            {
                self
            }
        }
    };
}

dynamic!();
dynamic!(Send);
dynamic!(Send Sync);

macro_rules! boxed {
    ($($bound:ident)*) => {
        impl AsError<Boxed> for Box<dyn Error $(+ $bound)*> {
            fn type_name(&self) -> Option<&'static str> {
                None
            }

            fn with_error<R>(&self, read: impl FnOnce(&dyn Error) -> R) -> R {
                read(&**self)
            }

            fn as_error(&self) -> &(dyn Error + 'static) {
                &**self
            }
        }
    };
}

boxed!(Send);
boxed!(Send Sync);

/// Makes a trait object of an error that may be one already.
struct Wrapped<'a, E: ?Sized>(&'a E);

impl<E: Error + ?Sized> fmt::Debug for Wrapped<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl<E: Error + ?Sized> fmt::Display for Wrapped<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

impl<E: Error + ?Sized> Error for Wrapped<'_, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
