//! What a record of the `log` crate carries besides its message.

use std::sync::Arc;

use log::Record;
use log::kv::{self, VisitSource};
use obs_guard::Place;

use crate::context::fields::{Fields, Key};
use crate::encode::value::{self, LONGEST_VALUE};
use crate::logger;

/// The values of a record are serialised by the application's code.
static KEY_VALUES: Place = Place::new("logging.key_values");

/// Puts the record's key-values on the lines of this thread until it is dropped.
pub(super) fn apply(record: &Record<'_>) -> Option<impl Drop> {
    let mut fields = Fields::new();
    let source = record.key_values();
    // What came before an error or a panic is kept.
    let _visited = KEY_VALUES.call(|| source.visit(&mut Visitor(&mut fields)));
    (fields.len() > 0).then(|| logger::apply(Arc::new(fields)))
}

struct Visitor<'a>(&'a mut Fields);

impl<'kvs> VisitSource<'kvs> for Visitor<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, shown: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let json = match serde_json::to_vec(&shown) {
            Ok(json) if json.len() <= LONGEST_VALUE => json,
            _ => {
                let mut text = Vec::new();
                value::formatted(&mut text, format_args!("{shown}"));
                text
            }
        };
        self.0.begin(&Key::new(key.as_str())).extend_from_slice(&json);
        Ok(())
    }
}
