//! A small HTTP client for the services, the console and Prometheus.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

use crate::error::{During, Failure};

/// Sends requests, each over a connection from a pool.
#[derive(Clone)]
pub(crate) struct Http {
    agent: ureq::Agent,
    bearer: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Http {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            // Long before a server closes it, just as the next request is sent.
            .max_idle_age(Duration::from_secs(1))
            .proxy(None)
            .build();
        Self { agent: config.into(), bearer: None }
    }

    /// Sends this token with every request.
    pub(crate) fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(format!("Bearer {token}"));
        self
    }

    pub(crate) fn get(&self, url: &str) -> Result<Answer, Failure> {
        self.send("GET", url, &[], "")
    }

    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let what = || format!("{method} {url}");
        let request = request.body(body.to_owned()).during(what())?;
        let mut response = self.agent.run(request).during(what())?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_string();
        Ok(Answer { status, headers, body: body.during(what())? })
    }
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
