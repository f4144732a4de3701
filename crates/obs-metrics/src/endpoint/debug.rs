//! A registry's debug pages for the admin server.

use bytes::Bytes;
use http::{Response, header, request};

use super::{Endpoint, header_text, page};
use crate::cardinality::json_string;

impl Endpoint {
    /// Which metrics have how many series, and which label is to blame: a table, or JSON where `Accept`
    /// or `?format_label=json` asks for it. For the admin server, at `/debug/cardinality`.
    pub fn cardinality(&self, request: &request::Parts) -> Response<Bytes> {
        let cardinality = self.0.registry.cardinality();
        match wants_json(request) {
            true => json(cardinality.to_json()),
            false => text(cardinality.to_string()),
        }
    }

    /// What [`Registry::lint`](crate::Registry::lint) says: a line each, or a JSON array of strings where `Accept` or
    /// `?format_label=json` asks for it. For the admin server, at `/debug/metrics/lint`.
    pub fn lint(&self, request: &request::Parts) -> Response<Bytes> {
        let advice = self.0.registry.lint();
        if !wants_json(request) {
            return text(advice.iter().map(|line| format!("{line}\n")).collect());
        }
        let mut list = String::from("[");
        for line in &advice {
            if list.len() > 1 {
                list.push(',');
            }
            json_string(&mut list, line);
        }
        list.push(']');
        json(list)
    }
}

fn wants_json(request: &request::Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "format=json")
        || header_text(&request.headers, &header::ACCEPT).contains("application/json")
}

fn json(body: String) -> Response<Bytes> {
    page("application/json", body)
}

fn text(body: String) -> Response<Bytes> {
    page("text/plain; charset=utf-8", body)
}
