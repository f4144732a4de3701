//! OTLP's values as JSON values.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value};

use crate::model::Attributes;

/// The resource's `service.name`; OpenTelemetry's `unknown_service` where it has none.
pub(super) fn service_name(resource: Option<&Resource>) -> Arc<str> {
    let attributes = resource.map(|resource| &*resource.attributes).unwrap_or_default();
    let named = attributes.iter().find(|pair| pair.key == "service.name");
    match named.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Otlp::StringValue(name)) if !name.is_empty() => name.as_str().into(),
        _ => "unknown_service".into(),
    }
}

/// The resource's `service.instance.id`, where it has one.
pub(super) fn instance(resource: Option<&Resource>) -> Option<Arc<str>> {
    let mut attributes = resource?.attributes.iter();
    let named = attributes.find(|pair| pair.key == "service.instance.id")?;
    match named.value.as_ref()?.value.as_ref()? {
        Otlp::StringValue(id) if !id.is_empty() => Some(id.as_str().into()),
        _ => None,
    }
}

pub(super) fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    let pairs = pairs.into_iter().map(|pair| (pair.key.into(), to_json(pair.value)));
    Attributes::new(pairs.collect())
}

/// Its depth is the decoder's: at most 100 in protobuf, 128 in JSON.
pub(super) fn to_json(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        None => Value::Null,
        Some(Otlp::StringValue(text)) => Value::String(text),
        Some(Otlp::BoolValue(value)) => Value::Bool(value),
        Some(Otlp::IntValue(value)) => Value::from(value),
        Some(Otlp::DoubleValue(value)) => match serde_json::Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None => Value::String(value.to_string()),
        },
        Some(Otlp::ArrayValue(array)) => {
            array.values.into_iter().map(|value| to_json(Some(value))).collect()
        }
        Some(Otlp::KvlistValue(list)) => Value::Object(
            list.values
                .into_iter()
                .map(|pair| (pair.key, to_json(pair.value)))
                .collect::<Map<_, _>>(),
        ),
        Some(Otlp::BytesValue(bytes)) => Value::String(hex(&bytes)),
        // An index into a table that only profiles have.
        Some(Otlp::StringValueStrindex(_)) => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
