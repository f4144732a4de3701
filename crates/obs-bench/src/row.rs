//! One row of the table: a piece of work, done by us and by a peer.

use std::process::{Command, ExitCode};

/// A piece of work and who does it. A contender sets itself up and answers nanoseconds an operation.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) pillar: &'static str,
    pub(crate) work: &'static str,
    pub(crate) peer: &'static str,
    /// The largest acceptable ratio of our cost to the peer's; infinite where there is no bar.
    pub(crate) bar: f64,
    pub(crate) ours: fn() -> f64,
    pub(crate) theirs: fn() -> f64,
}

/// What was measured.
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// The median of the pairs' ratios, and the least and the greatest of them; NaN when no pair gave a
    /// valid figure.
    pub(crate) ratio: f64,
    pub(crate) spread: (f64, f64),
}

impl Measured {
    pub(crate) fn met(&self) -> bool {
        self.row.bar.is_infinite() || self.ratio <= self.row.bar
    }
}

impl Row {
    /// Runs both contenders in turn, each in a process of its own.
    pub(crate) fn compare(&self, rounds: usize) -> Result<Measured, String> {
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((self.run("ours")?, self.run("theirs")?));
        }
        // A contender that could not be measured properly answers NaN.
        pairs.retain(|(ours, theirs)| ours.is_finite() && theirs.is_finite());
        let ratios = sorted(pairs.iter().map(|(ours, theirs)| ours / theirs));
        let end = |ratio: Option<&f64>| ratio.copied().unwrap_or(f64::NAN);
        Ok(Measured {
            row: *self,
            ours: middle(&sorted(pairs.iter().map(|pair| pair.0))),
            theirs: middle(&sorted(pairs.iter().map(|pair| pair.1))),
            ratio: middle(&ratios),
            spread: (end(ratios.first()), end(ratios.last())),
        })
    }

    fn name(&self) -> String {
        format!("{}/{}/{}", self.pillar, self.work, self.peer)
    }

    fn run(&self, contender: &str) -> Result<f64, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new(program)
            .args(["--contender", &self.name(), contender])
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let measured = said.trim().parse().ok().filter(|_| output.status.success());
        measured.ok_or_else(|| {
            format!(
                "{contender} of {} failed: {}",
                self.name(),
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }
}

/// In the process of one contender: measures and prints.
pub(crate) fn measure_here(rows: &[Row], name: &str, contender: &str) -> ExitCode {
    let Some(row) = rows.iter().find(|row| row.name() == name) else {
        eprintln!("no row is called {name}");
        return ExitCode::FAILURE;
    };
    let measure = if contender == "ours" { row.ours } else { row.theirs };
    println!("{}", measure());
    ExitCode::SUCCESS
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
