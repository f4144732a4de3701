//! Every cargo command that a page shows names what there is: commands of xtask, packages, targets, features.

use crate::tidy::metadata::Package;

/// What cargo itself has, and the tools that CONTRIBUTING names.
const VERBS: [&str; 11] = [
    "add",
    "bench",
    "build",
    "check",
    "clippy",
    "deny",
    "fmt",
    "install",
    "run",
    "semver-checks",
    "test",
];

/// What is wrong with the commands of a page; `commands` are those of xtask.
pub(super) fn breaches(
    path: &str,
    page: &str,
    packages: &[Package],
    commands: &[String],
) -> Vec<String> {
    let wrong = |command: &&str| fault(command, packages, commands);
    let faults = commands_of(page)
        .into_iter()
        .filter_map(|command| wrong(&command).map(|fault| format!("{path}: `{command}`: {fault}")));
    faults.collect()
}

/// The commands of `cargo xtask`, out of its `enum Command`.
pub(super) fn commands_of_xtask(main: &str) -> Vec<String> {
    let variants = main.split_once("enum Command {").map_or("", |(_, rest)| rest);
    let variants = variants.split("\n}").next().unwrap_or_default();
    let names = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|letter: char| letter.is_ascii_uppercase()));
    names.map(|line| kebab(line.split(['(', ',', ' ']).next().unwrap_or_default())).collect()
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// What begins with `cargo ` between backticks or on a line of a block; a comment behind it is left out.
fn commands_of(page: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut is_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            let line = line.trim_start().trim_start_matches("$ ");
            commands.extend(line.starts_with("cargo ").then_some(line));
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            commands.extend(spans.filter(|span| span.starts_with("cargo ")));
        }
    }
    commands
        .into_iter()
        .map(|command| command.split(" #").next().unwrap_or_default().trim())
        .collect()
}

fn fault(command: &str, packages: &[Package], commands: &[String]) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let (verb, rest) = words.split_first()?;
    if *verb == "xtask" {
        let known = rest.first().is_some_and(|name| commands.iter().any(|known| known == name));
        return (!known).then(|| format!("xtask has {}", commands.join(", ")));
    }
    if !VERBS.contains(verb) {
        return Some(format!("neither cargo's nor known here: {}", VERBS.join(", ")));
    }
    let value = |flag: &str| rest.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1]);
    let positional = || rest.first().copied().filter(|_| matches!(*verb, "add" | "install"));
    let name = value("-p").or_else(positional)?;
    // A placeholder, or somebody else's.
    if name.chars().all(|letter| letter.is_ascii_uppercase()) || !name.starts_with("obs-") {
        return None;
    }
    let Some(package) = packages.iter().find(|package| package.name == name) else {
        return Some(format!("there is no package {name}"));
    };
    for flag in ["--test", "--bench", "--example", "--bin"] {
        if let Some(target) = value(flag)
            && !package.targets.iter().any(|known| known == target)
        {
            return Some(format!("{name} has no target {target}"));
        }
    }
    let wanted = value("--features").unwrap_or_default().split(',');
    let missing = wanted
        .filter(|feature| !feature.is_empty())
        .find(|feature| !package.features.iter().any(|known| known == feature));
    missing.map(|feature| format!("{name} has no feature {feature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        let text = str::to_owned;
        Package {
            name: text("obs-logging"),
            features: vec![text("otlp")],
            targets: vec![text("allocations")],
            ..Package::default()
        }
    }

    #[test]
    fn command_with_unknown_name_is_breach() {
        let main = "enum Command {\n    /// Docs.\n    Demo(demo::Options),\n    TraceContextService {\n        port: u16,\n    },\n    Ci,\n}\n";
        let commands = commands_of_xtask(main);
        assert_eq!(commands, ["demo", "trace-context-service", "ci"]);
        let page = "`cargo xtask demo`, `cargo xtask dem`, `cargo test -p obs-logging --test allocations`\n\
                    `cargo test -p obs-logging --test gone`, `cargo test -p CRATE`, `cargo fly`\n\
                    ```sh\ncargo add obs-logging --features otlp # why\n$ cargo add obs-logging --features nope\ncargo add tracing\n```\n\
                    `cargo bench -p obs-none`";
        let breaches = breaches("a.md", page, &[package()], &commands);
        let faults: Vec<_> =
            breaches.iter().map(|breach| breach.rsplit(": ").next().unwrap()).collect();
        assert_eq!(
            faults,
            [
                "xtask has demo, trace-context-service, ci",
                "obs-logging has no target gone",
                "add, bench, build, check, clippy, deny, fmt, install, run, semver-checks, test",
                "obs-logging has no feature nope",
                "there is no package obs-none",
            ]
        );
    }
}
