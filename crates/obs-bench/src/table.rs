//! The table, for people and for machines.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::row::Measured;

pub(crate) fn text(results: &[Measured]) -> String {
    let mut text = String::new();
    let line = |cells: [&str; 7]| {
        let [work, ours, peer, theirs, ratio, bar, met] = cells;
        format!("{work:<44} {ours:>10}  {peer:<34} {theirs:>10}  {ratio:>22}  {bar:>7}  {met}\n")
    };
    text += &line(["work", "ours ns", "peer", "its ns", "ratio (spread)", "bar", "met"]);
    for result in results {
        let row = &result.row;
        let (low, high) = result.spread;
        let _ = write!(
            text,
            "{}",
            line([
                &format!("{}: {}", row.pillar, row.work),
                &number(result.ours),
                row.peer,
                &number(result.theirs),
                &format!("{:.3} ({low:.3}-{high:.3})", result.ratio),
                &format!("{:.3}", row.bar),
                if result.met() { "yes" } else { "NO" },
            ])
        );
    }
    let missed = results.iter().filter(|result| !result.met()).count();
    let _ = writeln!(text, "{} rows, {missed} below their bar", results.len());
    text
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

fn number(nanoseconds: f64) -> String {
    match nanoseconds {
        small if small < 100.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}
