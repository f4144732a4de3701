//! `/debug/cost`: what telemetry costs, by callsite and series.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use obs_guard::source_path;
use obs_logging::Logging;
use obs_metrics::Registry;
use obs_tracing::Traces;
use serde_json::{Value, json};

use super::answer;
use crate::prices::Prices;

/// What the bill is made of.
pub(super) struct Bill {
    pub(super) logging: std::sync::Arc<Logging>,
    pub(super) traces: std::sync::Arc<Traces>,
    pub(super) registry: Registry,
    #[cfg(feature = "errors")]
    pub(super) errors: std::sync::Arc<obs_errors::Errors>,
    pub(super) prices: Prices,
    pub(super) since: Instant,
}

/// One kind of telemetry at one place in the code.
struct Item {
    kind: Kind,
    name: String,
    /// Lines, spans, series or errors.
    count: u64,
    /// Of lines and spans, what was handed to the output; of series, of one scrape; errors are not measured.
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Log,
    Span,
    Series,
    #[cfg(feature = "errors")]
    Error,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Span => "span",
            Self::Series => "series",
            #[cfg(feature = "errors")]
            Self::Error => "error",
        }
    }
}

/// A limit that is set, and what it costs.
struct Budget {
    kind: Kind,
    text: String,
    /// Of lines and spans, the part of one second's worth that is spent now; of series, the part of all.
    used: f64,
    /// Lines, traces, or uses of overflow series.
    shed: u64,
}

impl Budget {
    fn as_json(&self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "budget": self.text,
            "used": self.used,
            "shed": self.shed,
        })
    }
}

/// What an item costs by the minute, and by the month where there are prices.
struct Rates {
    count_per_minute: f64,
    bytes_per_minute: f64,
    share: f64,
    per_month: Option<f64>,
}

impl Bill {
    /// Log call sites and span names by bytes, then metric families and errors: a table, or JSON where
    /// `Accept` asks for it.
    pub(super) fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let items = self.items();
        let accept = request.headers().get(header::ACCEPT).map(HeaderValue::as_bytes);
        match accept.is_some_and(|accept| accept.windows(4).any(|part| part == b"json")) {
            true => answer::json(StatusCode::OK, &self.as_json(&items)),
            false => answer::plain(self.as_table(&items)),
        }
    }

    fn items(&self) -> Vec<Item> {
        let lines = self.logging.costs().into_iter().map(|site| {
            let place = site.file.zip(site.line);
            let place = place.map(|(file, line)| format!(" {}:{line}", source_path(file)));
            let name = format!("{} {}{}", site.level, site.target, place.unwrap_or_default());
            Item { kind: Kind::Log, name, count: site.lines, bytes: site.bytes }
        });
        let spans = self.traces.costs().into_iter().map(|span| Item {
            kind: Kind::Span,
            name: span.name.to_owned(),
            count: span.spans,
            bytes: span.bytes,
        });
        let scrape = self.registry.encode_text();
        let families = self.registry.cardinality().families.into_iter().map(|family| Item {
            kind: Kind::Series,
            bytes: bytes_of_family(&scrape, &family.name),
            name: family.name,
            count: family.series as u64,
        });
        let mut items: Vec<Item> = lines.chain(spans).chain(families).collect();
        #[cfg(feature = "errors")]
        items.extend(self.errors.places().as_array().into_iter().flatten().map(|place| Item {
            kind: Kind::Error,
            name: place["place"].as_str().unwrap_or_default().to_owned(),
            count: place["count"].as_u64().unwrap_or_default(),
            bytes: 0,
        }));
        items.sort_by_key(|item| std::cmp::Reverse((item.bytes, item.count)));
        items
    }

    /// Those that are set.
    fn budgets(&self) -> Vec<Budget> {
        let logs = self.logging.budget().map(|budget| Budget {
            kind: Kind::Log,
            text: format!("{} bytes a second", budget.bytes_per_second),
            used: budget.fill,
            shed: budget.shed,
        });
        let spans = self.traces.budget().map(|status| Budget {
            kind: Kind::Span,
            text: format!("{}; {:.1}% of traces are kept", status.budget, status.keep * 100.0),
            used: status.fill,
            shed: status.shed_traces,
        });
        let series = self.registry.series_budget().map(|budget| Budget {
            kind: Kind::Series,
            text: format!("{} series", budget.most),
            used: budget.series as f64 / budget.most.max(1) as f64,
            shed: budget.shed,
        });
        [logs, spans, series].into_iter().flatten().collect()
    }

    fn rates(&self, item: &Item, items: &[Item]) -> Rates {
        let minutes = self.since.elapsed().max(Duration::from_secs(1)).as_secs_f64() / 60.0;
        let of_kind = items.iter().filter(|other| other.kind == item.kind);
        let all = of_kind.map(|other| other.bytes).sum::<u64>().max(1) as f64;
        let (count, bytes) = (item.count as f64, item.bytes as f64);
        let is_total = item.kind == Kind::Log || item.kind == Kind::Span;
        let per_minute = |value: f64| if is_total { value / minutes } else { 0.0 };
        let bytes_per_minute = per_minute(bytes);
        let per_month = match item.kind {
            Kind::Log => self.prices.logs(bytes_per_minute),
            Kind::Span => self.prices.spans(bytes_per_minute),
            Kind::Series => self.prices.series(count),
            #[cfg(feature = "errors")]
            Kind::Error => None,
        };
        let share = bytes / all;
        Rates { count_per_minute: per_minute(count), bytes_per_minute, share, per_month }
    }

    fn as_json(&self, items: &[Item]) -> Value {
        let item = |item: &Item| {
            let rates = self.rates(item, items);
            json!({
                "kind": item.kind.as_str(),
                "name": item.name,
                "count": item.count,
                "bytes": item.bytes,
                "count_per_minute": rates.count_per_minute,
                "bytes_per_minute": rates.bytes_per_minute,
                "share": rates.share,
                "per_month": rates.per_month,
            })
        };
        let cost: Value = items.iter().map(item).collect();
        let budgets: Value = self.budgets().iter().map(Budget::as_json).collect();
        json!({
            "budgets": budgets,
            "seconds": self.since.elapsed().as_secs_f64(),
            "instances": self.prices.instances(),
            "per_month": self.per_month(items),
            "cost": cost,
        })
    }

    fn as_table(&self, items: &[Item]) -> String {
        let mut table = format!(
            "{:<7} {:>12} {:>14} {:>14} {:>7} {:>10}  name\n",
            "kind", "count", "bytes", "bytes/min", "share", "per month"
        );
        for item in items {
            let rates = self.rates(item, items);
            let money = rates.per_month.map_or_else(|| "-".into(), |money| format!("{money:.2}"));
            table += &format!(
                "{:<7} {:>12} {:>14} {:>14.0} {:>6.1}% {money:>10}  {}\n",
                item.kind.as_str(),
                item.count,
                item.bytes,
                rates.bytes_per_minute,
                rates.share * 100.0,
                item.name
            );
        }
        let budgets = self.budgets();
        if !budgets.is_empty() {
            table += &format!("\n{:<7} {:>6} {:>12}  budget\n", "budget", "used", "shed");
        }
        for budget in budgets {
            let used = budget.used * 100.0;
            table += &format!(
                "{:<7} {used:>5.1}% {:>12}  {}\n",
                budget.kind.as_str(),
                budget.shed,
                budget.text
            );
        }
        if let Some(money) = self.per_month(items) {
            let instances = self.prices.instances();
            table += &format!("\n{money:.2} a month for {instances} instances at this rate\n");
        }
        table
    }

    fn per_month(&self, items: &[Item]) -> Option<f64> {
        let priced = items.iter().filter_map(|item| self.rates(item, items).per_month);
        self.prices.are_set().then(|| priced.sum())
    }
}

/// Bytes of one family in one scrape.
fn bytes_of_family(scrape: &str, family: &str) -> u64 {
    let of_family = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        let rest = name.strip_prefix(family);
        let suffix = rest.map(|rest| rest.split([' ', '{']).next().unwrap_or_default());
        suffix.is_some_and(|suffix| matches!(suffix, "" | "_bucket" | "_sum" | "_count"))
    };
    scrape.lines().filter(of_family).map(|line| line.len() as u64 + 1).sum()
}
