//! What a record of the `log` crate carries besides its message.

mod serializer;

use std::sync::Arc;

use log::Record;
use log::kv::{self, VisitSource};
use obs_guard::Place;
use serde::Serialize;

use crate::context::fields::{Fields, Key};
use crate::encode::structure::Structure;
use crate::encode::value::{self, TRUNCATED_MARK};
use crate::error_text;
use crate::logger;
use serializer::Writer;

/// All key-values of one record: behind the one that crosses this stands a mark instead of the next.
const MAX_BYTES: usize = 256 * 1024;

/// Names are cut here.
const MAX_NAME_BYTES: usize = 1024;

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
    /// Records may have any number of values, of any length.
    fn visit_pair(&mut self, key: kv::Key<'kvs>, shown: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let name = key.as_str();
        let name = obs_guard::truncated(name, MAX_NAME_BYTES);
        if self.0.as_bytes().len() >= MAX_BYTES {
            value::text(self.0.begin(&Key::new(name)), TRUNCATED_MARK);
            return Err(kv::Error::msg("the record has too many key-values"));
        }
        let mut json = Vec::new();
        let mut structure = Structure::new(&mut json);
        // What came before an error or a panic is kept.
        let _visited = KEY_VALUES.call(|| shown.serialize(Writer(&mut structure)));
        structure.end();
        error_text::add(self.0, name, |out| out.extend_from_slice(&json));
        Ok(())
    }
}
