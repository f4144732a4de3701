//! The cases: a contender, its telemetry, with or without the query.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Ours,
    Stock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telemetry {
    Bare,
    Logs,
    Metrics,
    /// Lines, metrics, and every trace exported.
    All,
    /// Lines, metrics, and one trace in a hundred exported.
    AllSampled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) contender: Contender,
    pub(crate) telemetry: Telemetry,
    pub(crate) with_query: bool,
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let telemetries = [
            Telemetry::Bare,
            Telemetry::Logs,
            Telemetry::Metrics,
            Telemetry::All,
            Telemetry::AllSampled,
        ];
        let mut cases = Vec::new();
        for with_query in [false, true] {
            for telemetry in telemetries {
                for contender in [Contender::Ours, Contender::Stock] {
                    // Without telemetry both are the same program.
                    if telemetry != Telemetry::Bare || contender == Contender::Ours {
                        cases.push(Self { contender, telemetry, with_query });
                    }
                }
            }
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contender = match (self.telemetry, self.contender) {
            (Telemetry::Bare, _) => "",
            (_, Contender::Ours) => "ours: ",
            (_, Contender::Stock) => "stock: ",
        };
        let what = match self.telemetry {
            Telemetry::Bare => "bare",
            Telemetry::Logs => "logs",
            Telemetry::Metrics => "logs, metrics",
            Telemetry::All => "logs, metrics, all traces",
            Telemetry::AllSampled => "logs, metrics, 1 % of traces",
        };
        let query = if self.with_query { ", with the query" } else { "" };
        write!(f, "{contender}{what}{query}")
    }
}
