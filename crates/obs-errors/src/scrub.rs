//! Redaction of secrets in reports.

use obs_guard::redact::{REDACTED, Redaction};
use serde_json::Value;

/// Names that are redacted unless it is said otherwise: those of Sentry's own scrubbers, and their variants.
const DEFAULT_SECRETS: [&str; 36] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "api-key",
    "x-api-key",
    "x_api_key",
    "auth",
    "authorization",
    "proxy-authorization",
    "proxy_authorization",
    "credentials",
    "mysql_pwd",
    "privatekey",
    "private_key",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "bearer",
    "session",
    "sessionid",
    "session_id",
    "csrf",
    "csrftoken",
    "csrf_token",
    "x_csrftoken",
    "xsrf-token",
    "cookie",
    "set-cookie",
    "set_cookie",
    "dsn",
];

/// The engine of the logs' redaction, for fields.
#[derive(Clone, Debug)]
pub(crate) struct Scrubber(Redaction);

impl Default for Scrubber {
    fn default() -> Self {
        let mut scrub = Self(Redaction::default());
        scrub.add(DEFAULT_SECRETS);
        scrub
    }
}

impl Scrubber {
    pub(crate) fn add(&mut self, names: impl IntoIterator<Item = impl AsRef<str>>) {
        for name in names {
            self.0.add(escaped(name.as_ref()));
        }
    }

    pub(crate) fn fields(&self, fields: &mut [(String, Value)]) {
        for (name, value) in fields {
            self.value(name, value);
        }
    }

    /// The value of this name without secrets; a text that is JSON is looked into.
    fn value(&self, name: &str, value: &mut Value) {
        let name = escaped(name);
        if self.0.matches(&name) {
            *value = REDACTED.into();
            return;
        }
        match value {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                let Ok(inside) = serde_json::from_str::<Value>(text) else { return };
                // Without white space, which the engine does not expect.
                let Ok(mut json) = serde_json::to_vec(&inside) else { return };
                self.0.redact_json(&name, &mut json, 0);
                if let Ok(json) = String::from_utf8(json) {
                    *text = json;
                }
            }
            Value::Object(_) | Value::Array(_) => {
                let Ok(mut json) = serde_json::to_vec(value) else { return };
                self.0.redact_json(&name, &mut json, 0);
                *value = serde_json::from_slice(&json).unwrap_or_else(|_| REDACTED.into());
            }
            _ => {}
        }
    }
}

/// As the name stands in JSON.
fn escaped(name: &str) -> Vec<u8> {
    let quoted = serde_json::to_vec(name).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_at_any_depth_are_redacted() {
        let mut fields = vec![
            ("user.Password".to_owned(), Value::from("hunter2")),
            ("body".to_owned(), r#"{"a": [{"token": "hunter2"}], "b": 1}"#.into()),
            ("object".to_owned(), serde_json::json!({"deep": {"cookie": "hunter2"}})),
            ("order".to_owned(), 7.into()),
        ];
        Scrubber::default().fields(&mut fields);
        let text = format!("{fields:?}");
        assert!(!text.contains("hunter2") && text.contains("order"), "{text}");
        assert_eq!(fields[1].1, r#"{"a":[{"token":"[redacted]"}],"b":1}"#);
    }
}
