//! What OpenTelemetry's variables say of one signal's export over HTTP. A signal's own variables win over
//! the common ones (the specification's `protocol/exporter.md`).

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{Config, Explanation, Origin};
use crate::error::{Error, Kind};

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// One signal, by its name in variables, such as `LOGS`.
pub(super) struct Signal<'a> {
    config: &'a Config,
    name: &'static str,
}

/// Where a signal is sent, and how.
pub(super) struct Export {
    pub(super) endpoint: String,
    pub(super) gzip: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) timeout: Option<Duration>,
}

impl<'a> Signal<'a> {
    pub(super) fn new(config: &'a Config, name: &'static str) -> Self {
        Self { config, name }
    }

    /// `None` unless the signal's exporter is `otlp`; `others` are the names that ask for nothing here.
    pub(super) fn export(
        &self,
        others: [&str; 2],
        explanation: &mut Explanation,
    ) -> Result<Option<Export>, Error> {
        let row = format!("{}.push", self.name.to_lowercase());
        let exporter = format!("OTEL_{}_EXPORTER", self.name);
        let asked = self.read(&exporter).unwrap_or_default();
        let mut names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        if names.clone().any(|name| name != "otlp" && !others.contains(&name)) {
            let problem = format!("give otlp, {}, or several", others.join(", "));
            return Err(wrong(exporter, &asked, &problem));
        }
        if !names.any(|name| name == "otlp") {
            let origin = match asked.is_empty() {
                true => Origin::Default,
                false => Origin::Environment(exporter),
            };
            explanation.push(row, "off", origin);
            return Ok(None);
        }
        let own = format!("OTEL_EXPORTER_OTLP_{}", self.name);
        let problem = format!(
            "they are sent over http/protobuf alone: say so in {own}_PROTOCOL, with the endpoint in {own}_ENDPOINT"
        );
        self.only("PROTOCOL", "http/protobuf", &problem)?;
        let (endpoint, origin) = self.endpoint();
        explanation.push(row, &endpoint, origin);
        Ok(Some(Export {
            endpoint,
            gzip: self.is_compressed()?,
            headers: match self.variable("HEADERS") {
                Some((name, text)) => pairs(name, &text, "***")?,
                None => Vec::new(),
            },
            resource: self.resource()?,
            timeout: match self.variable("TIMEOUT") {
                Some((name, text)) => Some(milliseconds(name, &text)?),
                None => None,
            },
        }))
    }

    /// An error unless the variable is unset or this: silence would send something else than was asked
    /// for.
    pub(super) fn only(&self, option: &str, known: &str, problem: &str) -> Result<(), Error> {
        match self.variable(option) {
            Some((name, value)) if value != known => Err(wrong(name, &value, problem)),
            _ => Ok(()),
        }
    }

    pub(super) fn milliseconds(&self, name: &str) -> Result<Option<Duration>, Error> {
        self.read(name).map(|text| milliseconds(name.to_owned(), &text)).transpose()
    }

    /// The signal's path belongs behind the common one alone.
    fn endpoint(&self) -> (String, Origin) {
        let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", self.name);
        if let Some(endpoint) = self.read(&own) {
            return (endpoint, Origin::Environment(own));
        }
        let common = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let (base, origin) = match (&self.config.otlp_endpoint, self.read(common)) {
            (Some(base), _) => (base.clone(), Origin::Code),
            (None, Some(base)) => (base, Origin::Environment(common.into())),
            (None, None) => ("http://localhost:4318".to_owned(), Origin::Default),
        };
        let path = self.name.to_lowercase();
        (format!("{}/v1/{path}", base.trim_end_matches('/')), origin)
    }

    fn is_compressed(&self) -> Result<bool, Error> {
        match self.variable("COMPRESSION") {
            None => Ok(false),
            Some((_, text)) if text == "none" => Ok(false),
            Some((_, text)) if text == "gzip" => Ok(true),
            Some((name, text)) => Err(wrong(name, &text, "give gzip or none")),
        }
    }

    /// The service's name is the program's to say.
    fn resource(&self) -> Result<Vec<(String, String)>, Error> {
        let text = self.read(ATTRIBUTES).unwrap_or_default();
        let mut attributes = pairs(ATTRIBUTES.to_owned(), &text, &text)?;
        attributes.retain(|(key, _)| key != "service.name");
        attributes.insert(0, ("service.name".into(), self.config.service.clone()));
        Ok(attributes)
    }

    /// The signal's own variable, else the common one.
    fn variable(&self, option: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{option}", self.name);
        let names = [own, format!("OTEL_EXPORTER_OTLP_{option}")];
        names.into_iter().find_map(|name| self.read(&name).map(|value| (name, value)))
    }

    fn read(&self, name: &str) -> Option<String> {
        (self.config.environment)(name).filter(|value| !value.is_empty())
    }
}

/// `key=value` pairs with commas between them, percent-encoded as the W3C's baggage. `shown` stands in
/// the error for the value, which may be a secret.
fn pairs(name: String, text: &str, shown: &str) -> Result<Vec<(String, String)>, Error> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=')?;
        if !is_percent_encoded(value) {
            return None;
        }
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    });
    pairs.collect::<Option<_>>().ok_or_else(|| {
        let problem = "give key=value pairs with commas between them, percent-encoded as UTF-8";
        wrong(name, shown, problem)
    })
}

/// The decoder would take what follows a lone percent sign as it is.
fn is_percent_encoded(value: &str) -> bool {
    let mut codes = value.split('%').skip(1).map(|part| part.as_bytes().get(..2));
    codes.all(|code| code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)))
}

fn milliseconds(name: String, text: &str) -> Result<Duration, Error> {
    match text.parse() {
        Ok(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(wrong(name, text, "give a positive number of milliseconds")),
    }
}

fn wrong(name: String, value: &str, problem: &str) -> Error {
    Error::new(Kind::Variable { name, value: value.to_owned(), problem: problem.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_percent_decoded() {
        let text = "authorization=Bearer%20a%2Cb, x-y = caf%C3%A9,,";
        let found = pairs("HEADERS".into(), text, "***").map_err(|error| error.to_string());
        let wanted = [("authorization", "Bearer a,b"), ("x-y", "café")];
        assert_eq!(found, Ok(wanted.map(|(key, value)| (key.into(), value.into())).to_vec()));
    }

    #[test]
    fn what_is_no_pair_is_refused_without_telling_a_secret() {
        for text in ["secret", "a=%zz", "a=%2", "a=%ff"] {
            let error = pairs("HEADERS".into(), text, "***").map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|error| error.contains("***") && !error.contains(text)),
                "{text}"
            );
        }
    }
}
