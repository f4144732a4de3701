//! The table, for people and for machines.

use serde_json::{Value, json};

use crate::row::Measured;

pub(crate) fn head() -> String {
    let columns = line(["work", "ours", "peer", "its", "ratio (spread)", "bar", "met"]);
    format!("nanoseconds of CPU time, unless a row says otherwise; ratio = ours / its\n{columns}")
}

pub(crate) fn row(result: &Measured) -> String {
    let row = &result.row;
    let (low, high) = result.spread;
    line([
        &format!("{}: {}", row.pillar, row.work),
        &number(result.ours),
        row.peer,
        &number(result.theirs),
        &format!("{:.3} ({low:.3}-{high:.3})", result.ratio),
        &if row.bar.is_finite() { format!("{:.3}", row.bar) } else { "none".to_owned() },
        verdict(result),
    ])
}

pub(crate) fn summary(results: &[Measured]) -> String {
    let missed = results.iter().filter(|result| !result.met()).count();
    format!("{} rows, {missed} miss their bar\n", results.len())
}

pub(crate) fn json(results: &[Measured]) -> Value {
    let row = |result: &Measured| {
        json!({
            "pillar": result.row.pillar,
            "work": result.row.work,
            "ours_ns": result.ours,
            "peer": result.row.peer,
            "peer_ns": result.theirs,
            "ratio": result.ratio,
            "spread": [result.spread.0, result.spread.1],
            "bar": result.row.bar,
            "met": result.met(),
        })
    };
    results.iter().map(row).collect()
}

fn line([work, ours, peer, theirs, ratio, bar, met]: [&str; 7]) -> String {
    format!("{work:<44} {ours:>10}  {peer:<34} {theirs:>10}  {ratio:>22}  {bar:>7}  {met}\n")
}

fn verdict(result: &Measured) -> &'static str {
    match result.row.bar {
        _ if result.ratio.is_nan() => "no valid figure",
        bar if bar.is_infinite() => "",
        _ if result.met() => "yes",
        _ => "NO",
    }
}

fn number(nanoseconds: f64) -> String {
    match nanoseconds {
        small if small < 100.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}
