//! `cargo xtask assets`: the rules and dashboards of `docs/deploy`, against what the demo's services show.

mod dashboards;
mod exposition;
mod live;
mod names;
mod panels;
mod promql;
mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::error::{During, Failure};
use crate::system::{cargo, installed, raise_open_files, workspace};
use exposition::Exposition;
use names::{Known, WITH_A_FAULT};
use rules::Rule;

/// What is done.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Write the dashboards, which are made from a table, instead of checking them.
    #[arg(long)]
    write: bool,
}

/// Checks the rules with promtool, and every name of rules and dashboards against the demo's `/metrics`;
/// where Prometheus is installed, each of them must also have an answer there.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    if options.write {
        return write();
    }
    raise_open_files();
    cargo(["build", "--quiet", "-p", "obs-console", "-p", "obs-demo", "--bins"])?;
    match check()? {
        None => Ok(()),
        Some(missing)
            if std::env::var_os("OBS_REQUIRE_PEERS").is_some_and(|value| value == "1") =>
        {
            Err(Failure::new(missing))
        }
        Some(missing) => {
            println!("left out: {missing}");
            Ok(())
        }
    }
}

/// Everything but the build; what could not be checked for want of a program.
pub(crate) fn check() -> Result<Option<String>, Failure> {
    for (file, text) in dashboards::files() {
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            return Err(Failure::new(format!(
                "{} is not what the table makes: cargo xtask assets --write",
                file.display()
            )));
        }
    }
    let files = files_in("rules")?;
    let mut rules = Vec::new();
    for file in &files {
        rules.extend(rules::rules(&std::fs::read_to_string(file).during(file.display())?));
    }
    let fleet = live::fleet()?;
    let mut breaches = breaches(&rules, live::scrape(&fleet)?)?;
    if breaches.is_empty() && installed("prometheus").is_some() {
        breaches = live::unanswered(&fleet, &files, &rules)?;
    }
    if !breaches.is_empty() {
        return Err(Failure::new(breaches.join("\n")));
    }
    println!(
        "{} rules and {} queries name what there is",
        rules.len(),
        dashboards::queries().len()
    );
    if installed("promtool").is_none() {
        return Ok(Some("promtool is not installed (apt-get install prometheus)".into()));
    }
    promtool(&["check", "rules"], &files)?;
    promtool(&["test", "rules"], &files_in("tests")?)?;
    Ok(None)
}

fn write() -> Result<(), Failure> {
    for (file, text) in dashboards::files() {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).during(folder.display())?;
        }
        std::fs::write(&file, text).during(file.display())?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Every name that nothing has.
fn breaches(rules: &[Rule], scraped: Exposition) -> Result<Vec<String>, Failure> {
    let known = Known::new(scraped, rules.iter());
    let mut breaches: Vec<_> = rules.iter().flat_map(|rule| known.breaches_of_rule(rule)).collect();
    for (place, expression, legend) in dashboards::queries() {
        let shown = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
        let shown: BTreeSet<String> = shown.map(str::to_owned).collect();
        breaches.extend(known.breaches(&place, &expression, &shown));
    }
    for (metric, _, file) in WITH_A_FAULT {
        let text = std::fs::read_to_string(workspace().join(file)).during(file)?;
        if !text.contains(&format!("\"{metric}\"")) {
            breaches.push(format!("{file} does not show {metric}"));
        }
    }
    Ok(breaches)
}

fn files_in(folder: &str) -> Result<Vec<PathBuf>, Failure> {
    let folder = workspace().join("docs/deploy/prometheus").join(folder);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).during(folder.display())? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

fn promtool(arguments: &[&str], files: &[PathBuf]) -> Result<(), Failure> {
    let output =
        Command::new("promtool").args(arguments).args(files).output().during("promtool")?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "promtool {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
