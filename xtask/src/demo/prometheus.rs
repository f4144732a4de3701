//! A real Prometheus beside the demo: it scrapes the services, and its API gives the exemplar back.

use std::time::Duration;

use tempfile::TempDir;

use crate::demo::fleet::{Fleet, NAMES};
use crate::demo::follow::Request;
use crate::demo::joins::Joins;
use crate::demo::print::Printer;
use crate::error::{During, Failure};
use crate::system::{Service, free_addr, installed, until};

/// A running Prometheus.
pub(crate) struct Prometheus {
    _process: Service,
    _folder: TempDir,
    url: String,
    http: crate::system::Http,
}

impl Prometheus {
    /// Starts it; `None`, with a word about it, when it is not installed.
    pub(crate) fn start(fleet: &Fleet, printer: &Printer) -> Result<Option<Self>, Failure> {
        let Some(program) = installed("prometheus") else {
            printer.row("prometheus is not installed: apt-get install prometheus, then --prometheus shows it");
            return Ok(None);
        };
        let folder = tempfile::tempdir().during("no temporary folder")?;
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, configuration(fleet))
            .during("the configuration cannot be written")?;
        let addr = free_addr();
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.path().join("data").display()),
            format!("--web.listen-address={addr}"),
            "--enable-feature=exemplar-storage".to_owned(),
        ];
        let process = Service::start("prometheus", &program, &arguments, &[], None)?;
        let url = format!("http://{addr}");
        let http = fleet.http.clone();
        let ready = until("Prometheus is ready", Duration::from_secs(120), || {
            http.get(&format!("{url}/-/ready")).ok().filter(|answer| answer.status == 200)
        });
        ready.map_err(|failure| Failure::new(format!("{failure}: {}", process.errors().trim())))?;
        printer.row(&format!("{:10} {url}", "prometheus"));
        Ok(Some(Self { _process: process, _folder: folder, url, http }))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for exemplars until one names the trace.
    pub(crate) fn find_exemplar(
        &self,
        request: &Request,
        printer: &Printer,
        joins: &mut Joins,
    ) -> Result<(), Failure> {
        printer.heading("PROMETHEUS", "the same request's exemplar through its query API");
        printer.step("until Prometheus has scraped");
        // Any time around now: the clock of the query is Prometheus' own.
        let query = "query=http_request_duration_seconds_bucket&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z";
        let url = format!("{}/api/v1/query_exemplars?{query}", self.url);
        let found = until("Prometheus has the exemplar", Duration::from_secs(120), || {
            let answer = self.http.get(&url).ok()?;
            answer.body.contains(&request.trace_id).then_some(answer.body)
        });
        let shown = match &found {
            Ok(_) => format!("query_exemplars names trace {}", request.trace_id),
            Err(failure) => failure.to_string(),
        };
        printer.row(&shown);
        joins.holds(
            "Prometheus gives the request's exemplar back",
            found.is_ok(),
            &request.trace_id,
            shown,
        );
        Ok(())
    }
}

fn configuration(fleet: &Fleet) -> String {
    let mut text = "global:\n  scrape_interval: 1s\nscrape_configs:\n".to_owned();
    for name in NAMES {
        let target = fleet.admin(name).trim_start_matches("http://");
        text +=
            &format!("  - job_name: {name}\n    static_configs:\n      - targets: ['{target}']\n");
    }
    text
}
