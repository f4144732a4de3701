//! The table, and the bars that it is held against.

use std::fmt;

use serde_json::{Value, json};

use crate::case::{Case, Contender, Telemetry};
use crate::measure::Measured;

pub(crate) fn text(measured: &[(Case, Measured)]) -> String {
    let mut text = format!(
        "{:<48} {:>9} {:>8} {:>9} {:>8} {:>9} {:>8} {:>8}  {}\n",
        "orders service, 16 connections, best of all runs",
        "CPU s/10k",
        "x bare",
        "steady",
        "x bare",
        "req/s",
        "p50 ms",
        "p99 ms",
        "lost"
    );
    for (case, one) in measured {
        let bare = find(measured, Telemetry::Bare, Contender::Ours, case.with_query);
        let times_bare =
            |of: fn(&Measured) -> f64| bare.map_or(f64::NAN, |bare| of(one) / of(bare));
        text += &format!(
            "{:<48} {:>9.3} {:>8.2} {:>9.3} {:>8.2} {:>9.0} {:>8.2} {:>8.2}  {}\n",
            case.to_string(),
            one.cpu,
            times_bare(|one| one.cpu),
            one.steady_cpu,
            times_bare(|one| one.steady_cpu),
            one.a_second,
            one.latencies.p50,
            one.latencies.p99,
            lost(one)
        );
    }
    text
}

pub(crate) fn json(measured: &[(Case, Measured)], bars: &Bars) -> Value {
    let row = |(case, one): &(Case, Measured)| {
        json!({
            "case": case.to_string(),
            "cpu_seconds_per_10000": one.cpu,
            "steady_cpu_seconds_per_10000": one.steady_cpu,
            "requests_per_second": one.a_second,
            "p50_ms": one.latencies.p50,
            "p99_ms": one.latencies.p99,
            "lines_lost": one.lines_lost,
            "counts_lost": one.counts_lost,
            "spans_lost": one.spans_lost,
        })
    };
    let bar = |(what, value, bar): &(String, f64, f64)| json!({"what": what, "measured": value, "bar": bar, "met": value <= bar});
    let rows: Value = measured.iter().map(row).collect();
    json!({"rows": rows, "bars": bars.0.iter().map(bar).collect::<Value>()})
}

fn lost(one: &Measured) -> String {
    let spans = one.spans_lost.map(|spans| format!("{spans} spans"));
    let lines = (one.lines_lost != 0).then(|| format!("{} lines", one.lines_lost));
    let counts = (one.counts_lost != 0).then(|| format!("{} counts", one.counts_lost));
    let parts: Vec<String> = [lines, counts, spans].into_iter().flatten().collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn find(
    measured: &[(Case, Measured)],
    telemetry: Telemetry,
    contender: Contender,
    with_query: bool,
) -> Option<&Measured> {
    let wanted = Case { contender, telemetry, with_query };
    measured.iter().find(|(case, _)| *case == wanted).map(|(_, one)| one)
}

/// What must hold, what was measured, and whether it does.
pub(crate) struct Bars(Vec<(String, f64, f64)>);

impl Bars {
    pub(crate) fn of(measured: &[(Case, Measured)]) -> Self {
        let mut bars = Vec::new();
        for with_query in [false, true] {
            if !measured.iter().any(|(case, _)| case.with_query == with_query) {
                continue;
            }
            let cpu = |telemetry, who| {
                find(measured, telemetry, who, with_query).map_or(f64::NAN, |one| one.cpu)
            };
            let bare = cpu(Telemetry::Bare, Contender::Ours);
            let query = if with_query { "with the query" } else { "without the query" };
            let added = |telemetry, who| cpu(telemetry, who) - bare;
            for (telemetry, what) in
                [(Telemetry::All, "everything"), (Telemetry::AllSampled, "1 % of traces")]
            {
                bars.push((
                    format!("CPU added by {what}, ours to stock, {query}"),
                    added(telemetry, Contender::Ours) / added(telemetry, Contender::Stock),
                    1.0 / 8.0,
                ));
            }
            bars.push((
                format!("the whole with 1 % of traces, ours to bare, {query}"),
                cpu(Telemetry::AllSampled, Contender::Ours) / bare,
                if with_query { 1.15 } else { 1.5 },
            ));
        }
        let ours = measured.iter().filter(|(case, _)| case.contender == Contender::Ours);
        let lost = ours.map(|(_, one)| {
            one.lines_lost.abs() + one.counts_lost.abs() + one.spans_lost.unwrap_or(0).abs()
        });
        bars.push((
            "lines, counts and spans that ours lost".to_owned(),
            lost.sum::<i64>() as f64,
            0.0,
        ));
        Self(bars)
    }

    pub(crate) fn all_met(&self) -> bool {
        self.0.iter().all(|(_, value, bar)| value <= bar)
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<64} {:>9} {:>7}  met", "", "measured", "bar")?;
        for (what, value, bar) in &self.0 {
            let met = if value <= bar { "yes" } else { "NO" };
            writeln!(f, "{what:<64} {value:>9.3} {bar:>7.3}  {met}")?;
        }
        Ok(())
    }
}
