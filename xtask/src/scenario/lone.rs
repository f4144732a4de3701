//! One service alone: payments, which needs no other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::error::{During, Failure};
use crate::system::{Http, Line, Service, free_addr, program};

/// A running payments service.
pub(crate) struct Lone {
    pub(crate) service: Service,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: String,
    pub(crate) http: Http,
}

impl Lone {
    /// Starts it with these variables on top.
    pub(crate) fn start(variables: &[(&str, String)]) -> Result<Self, Failure> {
        let admin = free_addr();
        let mut all = vec![
            ("BIND", "127.0.0.1:0".to_owned()),
            ("OBS_ADMIN_ADDR", admin.to_string()),
            ("OBS_SHUTDOWN_PROPAGATION", "0s".to_owned()),
        ];
        all.extend(variables.iter().map(|(name, value)| (*name, value.clone())));
        let mut service = Service::start("payments", &program("payments")?, &[], &all, None)?;
        let addr = service.wait_for_line("listens", |line| {
            (line.json["event"] == "listening").then(|| line.json["addr"].as_str()?.parse().ok())?
        })?;
        Ok(Self { service, addr, admin: format!("http://{admin}"), http: Http::new() })
    }

    /// Charges an order.
    pub(crate) fn charge(&self, order: &str) -> Result<u16, Failure> {
        Ok(self.http.send("POST", &format!("http://{}/charge/{order}", self.addr), &[], "")?.status)
    }

    /// Sends these bytes and reads what comes until the connection closes.
    pub(crate) fn raw(&self, request: &[u8]) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.addr).during("payments does not listen")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The value of a series on `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> Result<f64, Failure> {
        let body = self.http.get(&format!("{}/metrics", self.admin))?.body;
        let line = body
            .lines()
            .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.ok_or_else(|| Failure::new(format!("/metrics has no {series}")))
    }

    /// Ends it by SIGTERM; its lines, and its own report of the shutdown.
    pub(crate) fn end(mut self) -> Result<(Vec<Line>, Value), Failure> {
        self.service.terminate();
        let status = self.service.wait(Duration::from_secs(120))?;
        let lines = self.service.lines();
        if !status.success() {
            return Err(Failure::new(format!(
                "payments ended with {status}: {}",
                self.service.errors()
            )));
        }
        let report = lines.iter().rev().find(|line| line.json["stages"].is_string());
        let report = report.map(|line| line.json.clone()).unwrap_or_default();
        Ok((lines, report))
    }
}
