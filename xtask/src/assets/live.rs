//! The demo's services, and a Prometheus that scrapes them with the rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::assets::dashboards;
use crate::assets::exposition::Exposition;
use crate::assets::names::WITH_A_FAULT;
use crate::assets::rules::Rule;
use crate::demo::fleet::{Fleet, NAMES};
use crate::demo::{self, Printer, load};
use crate::error::{During, Failure};
use crate::system::{Http, Service, free_addr, installed, until};

/// The services, after requests of every kind.
pub(crate) fn fleet() -> Result<Fleet, Failure> {
    // What it prints belongs to the demo's story.
    let fleet = Fleet::start(&demo::Options::headless(), &[], &Printer::new(true))?;
    traffic(&fleet)?;
    Ok(fleet)
}

fn traffic(fleet: &Fleet) -> Result<(), Failure> {
    load::warm_up(fleet)?;
    for path in ["fail", "panic"] {
        fleet.http.get(&format!("{}/{path}", fleet.url("orders")))?;
    }
    Ok(())
}

/// What the three show together.
pub(crate) fn scrape(fleet: &Fleet) -> Result<Exposition, Failure> {
    let mut shown = Exposition::default();
    for name in NAMES {
        shown.add(&fleet.http.get(&format!("{}/metrics", fleet.admin(name)))?.body);
    }
    Ok(shown)
}

/// The rules and queries to which Prometheus has no answer, or an error.
pub(crate) fn unanswered(
    fleet: &Fleet,
    files: &[PathBuf],
    rules: &[Rule],
) -> Result<Vec<String>, Failure> {
    let folder = tempfile::tempdir().during("no temporary folder")?;
    let config = folder.path().join("prometheus.yml");
    std::fs::write(&config, configuration(fleet, files)).during(config.display())?;
    let addr = free_addr();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.path().join("data").display()),
        format!("--web.listen-address={addr}"),
    ];
    let program = installed("prometheus").unwrap_or_default();
    let process = Service::start("prometheus", &program, &arguments, &[], None)?;
    let prometheus = Prometheus { url: format!("http://{addr}"), http: fleet.http.clone() };
    until("Prometheus is ready", Duration::from_secs(120), || prometheus.is_ready().then_some(()))
        .map_err(|failure| Failure::new(format!("{failure}: {}", process.errors().trim())))?;

    let has_fault = |query: &str| WITH_A_FAULT.iter().any(|(name, ..)| query.contains(name));
    let mut waiting: BTreeMap<String, String> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| !rule.is_alert) {
        let expression = &rule.expression;
        waiting.insert(format!("rule {}: {expression}", rule.name), expression.clone());
    }
    for (place, query, _) in dashboards::queries() {
        if !has_fault(&query) {
            waiting.insert(format!("{place}: {query}"), query);
        }
    }
    let mut faults = Vec::new();
    let done = until("Prometheus answers every query", Duration::from_secs(60), || {
        // A rate needs two scrapes, and a rule those that it is made of.
        let _ = traffic(fleet);
        waiting.retain(|_, query| !prometheus.has_answer(query));
        faults = prometheus.faults_of_rules();
        (waiting.is_empty() && faults.is_empty()).then_some(())
    });
    match done {
        Ok(()) => Ok(Vec::new()),
        Err(_) => {
            faults.extend(waiting.into_keys().map(|place| format!("no series answers {place}")));
            Ok(faults)
        }
    }
}

struct Prometheus {
    url: String,
    http: Http,
}

impl Prometheus {
    fn is_ready(&self) -> bool {
        let ready = self.http.get(&format!("{}/-/ready", self.url));
        ready.is_ok_and(|answer| answer.status == 200)
    }

    fn has_answer(&self, query: &str) -> bool {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("query={}", escaped(query));
        let answer = self.http.send("POST", &format!("{}/api/v1/query", self.url), &form, &body);
        let result = answer.map(|answer| answer.json()).unwrap_or_default();
        result["data"]["result"].as_array().is_some_and(|series| !series.is_empty())
    }

    /// Every rule that was not evaluated, or with an error.
    fn faults_of_rules(&self) -> Vec<String> {
        let Ok(answer) = self.http.get(&format!("{}/api/v1/rules", self.url)) else {
            return vec!["Prometheus does not tell its rules".to_owned()];
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let groups = list(&answer.json()["data"]["groups"]);
        let rules = groups.iter().flat_map(|group| list(&group["rules"]));
        let faulty = rules.filter(|rule| rule["health"] != "ok");
        faulty
            .map(|rule| format!("rule {}: {} {}", rule["name"], rule["health"], rule["lastError"]))
            .collect()
    }
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn configuration(fleet: &Fleet, files: &[PathBuf]) -> String {
    let mut text =
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n".to_owned();
    for file in files {
        text += &format!("  - '{}'\n", file.display());
    }
    text += "scrape_configs:\n";
    for name in NAMES {
        let target = fleet.admin(name).trim_start_matches("http://");
        text +=
            &format!("  - job_name: {name}\n    static_configs:\n      - targets: ['{target}']\n");
    }
    text
}
