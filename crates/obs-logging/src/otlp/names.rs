//! What a line's own fields are called in OpenTelemetry's semantic conventions; what these do not know is
//! under `obs.`. The application's fields keep their names.

use crate::capture::value::Value;

/// RFC 9110, PATCH and QUERY: the methods that the conventions know.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// Where a line comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// `http::AccessLog`.
    Access,
    /// `panic::install`.
    Panic,
    /// A crate of ours.
    Own,
    Application,
}

/// Hands every field to `put` as an attribute.
pub(super) fn attributes<'a>(
    target: &str,
    fields: impl Iterator<Item = (&'a str, &'a Value)> + Clone,
    mut put: impl FnMut(&str, &Value),
) {
    let origin = match target {
        "access" => Origin::Access,
        "panic" => Origin::Panic,
        _ if target.starts_with("obs_") => Origin::Own,
        _ => Origin::Application,
    };
    let has_error = fields.clone().any(|(name, _)| name == "error.message");
    // What a request's context has stands together: another field of such a name is the application's.
    let mut context = 0;
    for (name, value) in fields {
        context = match (context, name) {
            (_, "request_id") => 1,
            (1, "method") => 2,
            (2, "path") => 3,
            (3, "route") => 4,
            _ => 0,
        };
        let key = match (context, origin, name) {
            (1, ..) => "obs.request.id",
            (2, ..) if is_known(value) => "http.request.method",
            (2, ..) => "http.request.method_original",
            (3, ..) => "url.path",
            (4, ..) | (_, Origin::Access, "route") => "http.route",
            (_, _, "target") => "obs.target",
            (_, _, "spans") if matches!(value, Value::List(_)) => "obs.spans",
            (_, _, "suppressed") if matches!(value, Value::Integer(_)) => "obs.suppressed",
            (_, _, "error.id") => "obs.error.id",
            (_, _, "error.message") => "exception.message",
            (_, _, "error.type") if has_error => "exception.type",
            (_, _, "error.chain") => "obs.exception.chain",
            (_, _, "error.backtrace") => "exception.stacktrace",
            // An error that was recorded with `%` or `?`.
            (_, _, "error") if !has_error && matches!(value, Value::Text(_)) => "exception.message",
            (_, Origin::Access, "status") => "http.response.status_code",
            (_, Origin::Access, "response_bytes") => "http.response.body.size",
            (_, Origin::Access, "duration_ms") => "obs.http.duration_ms",
            (_, Origin::Access, "outcome") => "obs.http.outcome",
            (_, Origin::Panic, "thread") => "thread.name",
            (_, Origin::Panic, "backtrace") => "exception.stacktrace",
            (_, Origin::Panic, "location") => {
                location(value, &mut put);
                continue;
            }
            (_, Origin::Own, name) if !name.contains('.') => {
                put(&format!("obs.{name}"), value);
                continue;
            }
            (_, _, name) => name,
        };
        put(key, value);
    }
}

fn is_known(method: &Value) -> bool {
    matches!(method, Value::Text(method) if METHODS.contains(&method.as_str()))
}

/// `src/main.rs:17:5`.
fn location(value: &Value, put: &mut impl FnMut(&str, &Value)) {
    let parts = match value {
        Value::Text(text) => text.rsplit_once(':').and_then(|(rest, column)| {
            let (file, line) = rest.rsplit_once(':')?;
            Some((file, line.parse::<u32>().ok()?, column.parse::<u32>().ok()?))
        }),
        _ => None,
    };
    let Some((file, line, column)) = parts else { return put("obs.location", value) };
    put("code.file.path", &Value::Text(file.to_owned()));
    put("code.line.number", &Value::Integer(line.into()));
    put("code.column.number", &Value::Integer(column.into()));
}
