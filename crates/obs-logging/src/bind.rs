//! The macro `bind!`.

/// Adds fields to the ambient context of the request (or other [`Context`](crate::Context)) that this
/// thread works for: every later line of it carries them, on whichever thread.
///
/// Fields are written as in `tracing`'s macros: `key = value`, `key = %display`, `key = ?debug`, and
/// `"any name" = value`. Answers whether there is a context; outside every one nothing is evaluated.
///
/// ```
/// let context = obs_logging::Context::new();
/// let _entered = context.enter();
/// assert!(obs_logging::bind!(user_id = 42, plan = "pro", peer = %std::net::Ipv4Addr::LOCALHOST));
/// ```
#[macro_export]
macro_rules! bind {
    ($($fields:tt)+) => {
        match $crate::Context::current() {
            ::core::option::Option::Some(context) => {
                $crate::__bind_each!(context, $($fields)+);
                true
            }
            ::core::option::Option::None => false,
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bind_each {
    ($to:ident, $(,)?) => {};
    ($to:ident, $name:literal = $($rest:tt)+) => { $crate::__bind_value!($to, $name, $($rest)+) };
    ($to:ident, $($name:ident).+ = $($rest:tt)+) => {
        $crate::__bind_value!($to, ::core::concat!($crate::__dotted!($($name).+)), $($rest)+)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bind_value {
    ($to:ident, $name:expr, %$value:expr $(, $($rest:tt)*)?) => {
        $to.bind($name, $crate::__private::display(&$value));
        $($crate::__bind_each!($to, $($rest)*);)?
    };
    ($to:ident, $name:expr, ?$value:expr $(, $($rest:tt)*)?) => {
        $to.bind($name, $crate::__private::debug(&$value));
        $($crate::__bind_each!($to, $($rest)*);)?
    };
    ($to:ident, $name:expr, $value:expr $(, $($rest:tt)*)?) => {
        $to.bind($name, &$value);
        $($crate::__bind_each!($to, $($rest)*);)?
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __dotted {
    ($first:ident $(. $rest:ident)*) => {
        ::core::concat!(::core::stringify!($first) $(, ".", ::core::stringify!($rest))*)
    };
}
