//! Converts OTLP/JSON (protobuf's JSON mapping) to the form that the generated types read.
//!
//! A reader must take numbers as strings, `"NaN"` and `"Infinity"`, enums by name, `null` for any field,
//! both spellings of a field's name, and fields that it does not know (ProtoJSON, "JSON representation";
//! OTLP, "JSON Protobuf Encoding"). Every rule goes by the field's name, since the names of numbers occur
//! nowhere else in these messages.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

const DOUBLE_FIELDS: [&str; 10] = [
    "asDouble",
    "doubleValue",
    "explicitBounds",
    "max",
    "min",
    "quantile",
    "sum",
    "value",
    "zeroThreshold",
    "bounds",
];

const INTEGER_FIELDS: [&str; 19] = [
    "asInt",
    "bucketCounts",
    "count",
    "droppedAttributesCount",
    "droppedEventsCount",
    "droppedLinksCount",
    "endTimeUnixNano",
    "flags",
    "intValue",
    "observedTimeUnixNano",
    "offset",
    "scale",
    "startTimeUnixNano",
    "timeUnixNano",
    "zeroCount",
    "kind",
    "code",
    "severityNumber",
    "aggregationTemporality",
];

/// A message on its way into a generated type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    /// JSON's own numbers have no NaN.
    Double(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The whole body; where it is no JSON, why.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Self::from_value("", value).ok_or_else(|| "it is null".into())
    }

    /// What the field of this name holds; `None` where that is null, which is as if it were not there.
    fn from_value(field: &str, value: Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::number(&number),
            Value::String(text) => Self::text(field, text),
            Value::Array(values) => Self::List(
                values.into_iter().filter_map(|value| Self::from_value(field, value)).collect(),
            ),
            Value::Object(fields) => {
                let fields = fields.into_iter().filter_map(|(name, value)| {
                    let name = camel_case(name);
                    let node = Self::from_value(&name, value)?;
                    Some((name, node))
                });
                let mut fields: Vec<_> = fields.collect();
                let is_list = matches!(field, "arrayValue" | "kvlistValue");
                if is_list && fields.iter().all(|(name, _)| name != "values") {
                    fields.push(("values".into(), Self::List(Vec::new())));
                }
                Self::Object(fields)
            }
        })
    }

    fn number(number: &serde_json::Number) -> Self {
        /// Up to here every whole float is the integer that was written.
        const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
        if let Some(value) = number.as_i64() {
            return Self::Integer(value);
        }
        if let Some(value) = number.as_u64() {
            return Self::Unsigned(value);
        }
        match number.as_f64() {
            Some(value) if value.fract() == 0.0 && value.abs() <= MAX_EXACT_INTEGER => {
                Self::Integer(value as i64)
            }
            value => Self::Double(value.unwrap_or(f64::NAN)),
        }
    }

    fn text(field: &str, text: String) -> Self {
        let node = if INTEGER_FIELDS.contains(&field) {
            integer(&text).or_else(|| enum_number(field, &text).map(Self::Integer))
        } else if DOUBLE_FIELDS.contains(&field) {
            double(&text).map(Self::Double)
        } else if field == "bytesValue" {
            return Self::Text(padded_base64(text));
        } else {
            None
        };
        node.unwrap_or(Self::Text(text))
    }

    /// The message of this type; where it is none, why.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, String> {
        T::deserialize(self).map_err(|error| error.to_string())
    }

    /// Takes the list in this field away: what is left is read without its items. What is no list stays,
    /// to be refused by the type.
    pub(super) fn take_list(&mut self, field: &str) -> Vec<Node> {
        match self.field(field) {
            Some(Node::List(list)) => std::mem::take(list),
            _ => Vec::new(),
        }
    }

    pub(super) fn field(&mut self, field: &str) -> Option<&mut Node> {
        match self {
            Self::Object(fields) => {
                fields.iter_mut().find(|(name, _)| name == field).map(|(_, node)| node)
            }
            _ => None,
        }
    }
}

fn integer(text: &str) -> Option<Node> {
    match text.parse() {
        Ok(value) => Some(Node::Integer(value)),
        Err(_) => match text.parse() {
            Ok(value) => Some(Node::Unsigned(value)),
            // "1e3" and "5.0" are integers, too.
            Err(_) => match serde_json::from_str(text).map(|number| Node::number(&number)) {
                Ok(node @ Node::Integer(_)) => Some(node),
                _ => None,
            },
        },
    }
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        text => serde_json::from_str(text).ok(),
    }
}

fn enum_number(field: &str, name: &str) -> Option<i64> {
    let number = match field {
        "kind" => SpanKind::from_str_name(name)? as i32,
        "code" => StatusCode::from_str_name(name)? as i32,
        "severityNumber" => SeverityNumber::from_str_name(name)? as i32,
        "aggregationTemporality" => AggregationTemporality::from_str_name(name)? as i32,
        _ => return None,
    };
    Some(number.into())
}

/// `time_unix_nano` as `timeUnixNano`.
fn camel_case(name: String) -> String {
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut words = name.split('_');
    camel.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Standard and URL-safe base64, padded or not, as standard base64 with padding.
fn padded_base64(text: String) -> String {
    let mut text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Integer(value) => visitor.visit_i64(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Double(value) => visitor.visit_f64(value),
            Self::Text(text) => visitor.visit_string(text),
            Self::List(nodes) => visitor.visit_seq(SeqDeserializer::new(nodes.into_iter())),
            Self::Object(fields) => visitor.visit_map(MapDeserializer::new(fields.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
