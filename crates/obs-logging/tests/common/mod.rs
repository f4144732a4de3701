//! A writer that keeps what it gets, and a strict reader of lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a module of every test file")]

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex};

use obs_logging::stage::Stage;
use obs_logging::{Builder, Delivery, Format, Logging, Output};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::layer::SubscriberExt;

/// What was written.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Every line, which must be one JSON object without a name twice.
    pub fn lines(&self) -> Vec<Line> {
        self.text().lines().map(parse).collect()
    }

    /// The only line.
    pub fn line(&self) -> Line {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{}", self.text());
        lines.remove(0)
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While one subscriber alone is alive, `tracing-core` renews what callsites cache without a lock, and
/// a test's thread may overwrite a fresh answer of another's with an old one.
static BYSTANDERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [0, 1].map(|_| Dispatch::new(NoSubscriber::new())));

/// A subscriber that writes blocking to what is returned.
pub fn kept<S: Stage>(builder: Builder<S>) -> (Dispatch, Kept, Logging) {
    LazyLock::force(&BYSTANDERS);
    let kept = Kept::default();
    let (layer, logging) = builder
        .format(Format::Json)
        .delivery(Delivery::Blocking)
        .output(Output::writer(kept.clone()))
        .build()
        .unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), kept, logging)
}

/// What `work` logs, with everything enabled.
pub fn logged(work: impl FnOnce()) -> Kept {
    let (dispatch, kept, _logging) = kept(Builder::new().filter("trace"));
    tracing::dispatcher::with_default(&dispatch, work);
    kept
}

/// Fields by name.
#[derive(Debug)]
pub struct Line(pub BTreeMap<String, Value>);

impl std::ops::Index<&str> for Line {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }
}

pub fn parse(line: &str) -> Line {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// serde_json keeps the last of two fields of one name; this refuses them.
impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;
        impl<'de> Visitor<'de> for Strict {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.insert(name.clone(), value).is_some() {
                        return Err(serde::de::Error::custom(format!("`{name}` comes twice")));
                    }
                }
                Ok(Line(fields))
            }
        }
        deserializer.deserialize_map(Strict)
    }
}
