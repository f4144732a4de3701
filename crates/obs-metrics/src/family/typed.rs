//! Labels as a struct of their own.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::{any, fmt};

use super::vector::{Child, MetricVec};
use crate::failures::count_failure;
use crate::metric::Metric;

/// A type whose values are label sets: made by [`labels!`](crate::labels), or by hand.
pub trait LabelSet<const N: usize> {
    /// The names of the labels.
    const NAMES: [&'static str; N];

    /// Calls with the values of the labels, in the order of the names.
    fn with_values<T>(&self, call: impl FnOnce([&str; N]) -> T) -> T;
}

/// What may be the value of a label: text, a `bool`, or an enum of your own by [`labels!`](crate::labels).
/// There is none for numbers, on purpose: they have too many values.
pub trait LabelValue {
    /// The value as text.
    fn as_label(&self) -> &str;
}

/// A family whose series are found by a struct: made by [`MetricVec::typed`].
///
/// ```
/// use std::sync::LazyLock;
/// use obs_metrics::{Counter, TypedVec, labels};
///
/// labels! {
///     /// How an order was paid.
///     pub enum Method { Card = "card", Transfer = "transfer" }
///
///     /// The labels of an order.
///     pub struct OrderLabels<'a> { status: &'a str, method: Method }
/// }
///
/// static ORDERS: LazyLock<TypedVec<Counter, OrderLabels<'static>, 2>> = LazyLock::new(|| {
///     obs_metrics::counter_vec("shop_orders_total", "Orders.", OrderLabels::NAMES).typed()
/// });
///
/// ORDERS.with(&OrderLabels { status: "created", method: Method::Card }).inc();
/// let text = obs_metrics::default_registry().encode_text();
/// assert!(text.contains(r#"shop_orders_total{status="created",method="card"} 1"#));
/// ```
pub struct TypedVec<M: Metric, L, const N: usize>(MetricVec<M, N>, PhantomData<fn(&L)>);

impl<M: Metric, L: LabelSet<N>, const N: usize> TypedVec<M, L, N> {
    /// The series of these labels, for use on the spot, as [`MetricVec::with`] has it.
    #[inline]
    pub fn with(&self, labels: &L) -> Child<'_, M> {
        labels.with_values(|values| self.0.with(values))
    }

    /// The series of these labels, to keep.
    pub fn handle(&self, labels: &L) -> M {
        labels.with_values(|values| self.0.handle(values))
    }

    /// Removes the series of these labels, and tells whether there was one.
    pub fn remove(&self, labels: &L) -> bool {
        labels.with_values(|values| self.0.remove(values))
    }

    /// The same family, found by plain values.
    pub fn untyped(&self) -> &MetricVec<M, N> {
        &self.0
    }
}

impl<M: Metric, const N: usize> MetricVec<M, N> {
    /// The same family, found by a struct. The label names must be [`LabelSet::NAMES`]: where they are
    /// not, the values go by their order, and an error is logged and counted as a failed registration.
    #[track_caller]
    pub fn typed<L: LabelSet<N>>(self) -> TypedVec<M, L, N> {
        if !self.has_names(&L::NAMES) {
            count_failure();
            tracing::error!(
                metric = self.name(),
                labels = any::type_name::<L>(),
                "the labels of this metric have other names than those of the struct: register it with \
                 the struct's NAMES"
            );
        }
        TypedVec(self, PhantomData)
    }
}

impl<M: Metric, L, const N: usize> Clone for TypedVec<M, L, N> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<M: Metric, L, const N: usize> fmt::Debug for TypedVec<M, L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedVec").field(&self.0).finish()
    }
}

impl LabelValue for str {
    fn as_label(&self) -> &str {
        self
    }
}

impl LabelValue for String {
    fn as_label(&self) -> &str {
        self
    }
}

impl LabelValue for Cow<'_, str> {
    fn as_label(&self) -> &str {
        self
    }
}

impl LabelValue for bool {
    fn as_label(&self) -> &str {
        if *self { "true" } else { "false" }
    }
}

impl LabelValue for obs_context::Route {
    fn as_label(&self) -> &str {
        self.as_str()
    }
}

impl<T: LabelValue + ?Sized> LabelValue for &T {
    fn as_label(&self) -> &str {
        (**self).as_label()
    }
}

/// Defines label sets ([`LabelSet`]) as structs, and label values ([`LabelValue`]) as enums.
///
/// Of a struct, each field is a label of its name; of an enum, each variant is a value. See [`TypedVec`].
///
/// [`LabelSet`]: crate::LabelSet
/// [`LabelValue`]: crate::LabelValue
/// [`TypedVec`]: crate::TypedVec
#[macro_export]
macro_rules! labels {
    () => {};
    (
        $(#[$about:meta])*
        $visible:vis enum $name:ident {
            $( $(#[$each:meta])* $variant:ident = $text:literal ),+ $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visible enum $name {
            $( $(#[$each])* #[doc = concat!("`", $text, "`")] $variant, )+
        }

        impl $crate::LabelValue for $name {
            fn as_label(&self) -> &str {
                match self { $( Self::$variant => $text, )+ }
            }
        }

        $crate::labels! { $($rest)* }
    };
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident $(<$life:lifetime>)? {
            $( $(#[$each:meta])* $field:ident : $kind:ty ),+ $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $visible struct $name $(<$life>)? {
            $( $(#[$each])* #[doc = concat!("The label `", stringify!($field), "`.")] pub $field: $kind, )+
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The names of the labels.
            $visible const NAMES: [&'static str; [$( stringify!($field) ),+].len()] =
                [$( stringify!($field) ),+];
        }

        impl $(<$life>)? $crate::LabelSet<{ [$( stringify!($field) ),+].len() }> for $name $(<$life>)? {
            const NAMES: [&'static str; [$( stringify!($field) ),+].len()] = Self::NAMES;

            #[inline]
            fn with_values<T>(
                &self,
                call: impl FnOnce([&str; [$( stringify!($field) ),+].len()]) -> T,
            ) -> T {
                call([$( $crate::LabelValue::as_label(&self.$field) ),+])
            }
        }

        $crate::labels! { $($rest)* }
    };
}
