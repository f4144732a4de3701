//! One line and its values.

use std::ops::Index;

/// A value of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What the line does not have, or has as `null`.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Several values: the causes of an error.
    List(Vec<Value>),
    /// Named values: what is nested in a field.
    Map(Vec<(String, Value)>),
}

/// One captured line. Index it by the name of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured(Vec<(String, Value)>);

impl Captured {
    pub(super) fn new(fields: Vec<(String, Value)>) -> Self {
        Self(fields)
    }

    /// The event: its message.
    pub fn event(&self) -> &str {
        self.text("event")
    }

    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub fn level(&self) -> &str {
        self.text("level")
    }

    /// Where it was logged, by default the module's path.
    pub fn target(&self) -> &str {
        self.text("target")
    }

    /// The names of the spans around it, from the outermost.
    pub fn spans(&self) -> Vec<&str> {
        match &self["spans"] {
            Value::List(spans) => spans.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// All fields, in the order of the line.
    pub fn fields(&self) -> &[(String, Value)] {
        &self.0
    }

    fn text(&self, name: &str) -> &str {
        self[name].as_str().unwrap_or_default()
    }
}

impl Index<&str> for Captured {
    type Output = Value;

    /// [`Value::Missing`] where there is no such field.
    fn index(&self, name: &str) -> &Value {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map_or(&Value::Missing, |(_, value)| value)
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        *self == Self::Bool(*other)
    }
}

impl PartialEq<f64> for Value {
    fn eq(&self, other: &f64) -> bool {
        *self == Self::Float(*other)
    }
}

macro_rules! equals_integer {
    ($($type:ty),+) => {$(
        impl PartialEq<$type> for Value {
            fn eq(&self, other: &$type) -> bool {
                i128::try_from(*other).is_ok_and(|other| *self == Self::Integer(other))
            }
        }
    )+};
}

equals_integer!(i32, i64, u32, u64, usize);
