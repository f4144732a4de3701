//! The console, as its API shows it.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::error::Failure;
use crate::system::{Http, Service, program};

/// A running console.
pub(crate) struct Console {
    _process: Service,
    client: Client,
    pub(crate) url: String,
    /// Its page, with the token.
    pub(crate) page: String,
    pub(crate) otlp_grpc: String,
    /// Where its receiver of errors is.
    pub(crate) sentry_dsn: String,
}

/// Talks to its API.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http,
    url: String,
}

impl Console {
    /// Starts it; it looks at the services' admin addresses every second.
    pub(crate) fn start<'a>(
        services: impl Iterator<Item = (&'a str, SocketAddr)>,
        actions: &[String],
    ) -> Result<Self, Failure> {
        let mut arguments: Vec<String> = Vec::new();
        for listener in ["--otlp-grpc", "--otlp-http", "--api"] {
            arguments.extend([listener.to_owned(), "127.0.0.1:0".to_owned()]);
        }
        for (name, admin) in services {
            arguments.extend(["--service".to_owned(), format!("{name}=http://{admin}")]);
        }
        for action in actions {
            arguments.extend(["--action".to_owned(), action.clone()]);
        }
        let mut process =
            Service::start("console", &program("obs-console")?, &arguments, &[], None)?;
        let ready = process.wait_for_line("is ready", |line| {
            line.json["api"].is_string().then(|| line.json.clone())
        })?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let (url, page) = (text("api"), text("page"));
        let http = Http::new().bearer(&text("token"));
        let client = Client { http, url: url.clone() };
        let (otlp_grpc, sentry_dsn) = (text("otlp_grpc"), text("sentry_dsn"));
        Ok(Self { _process: process, client, url, page, otlp_grpc, sentry_dsn })
    }

    pub(crate) fn clone_client(&self) -> Client {
        self.client.clone()
    }

    /// The joined document of a request or trace id, once the console knows it.
    pub(crate) fn document(&self, id: &str) -> Option<Value> {
        let url = format!("{}/api/requests/{id}", self.url);
        let answer = self.client.http.get(&url).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// Has every service's metrics and health looked at now.
    pub(crate) fn scrape(&self) -> Result<(), Failure> {
        let url = format!("{}/api/scrape", self.url);
        let answer = self.client.http.send("POST", &url, &[], "")?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(Failure::new(format!("POST {url} answered {status}: {}", answer.body))),
        }
    }
}

/// Hands the services' lines to the console, in batches.
pub(crate) fn forward_logs(
    names: [&'static str; 3],
    client: Client,
    lines: mpsc::Receiver<(&'static str, String)>,
) {
    std::thread::spawn(move || {
        while let Ok(first) = lines.recv() {
            std::thread::sleep(Duration::from_millis(20));
            let mut batch = vec![first];
            batch.extend(lines.try_iter().take(5_000));
            for name in names {
                let of_this = batch.iter().filter(|(service, _)| *service == name);
                let body: String = of_this.map(|(_, line)| format!("{line}\n")).collect();
                if !body.is_empty() {
                    let url = format!("{}/api/logs/{name}", client.url);
                    let _ = client.http.send("POST", &url, &[], &body);
                }
            }
        }
    });
}
