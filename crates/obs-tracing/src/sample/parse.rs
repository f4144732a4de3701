//! Samplers as text, for configuration and for changes at run time: what their `Display` writes.

use std::str::FromStr;

use super::Sampler;
use obs_otlp::Error;

/// Deeper than any sensible sampler, and no deeper than the stack.
const MAX_DEPTH: usize = 16;

/// Reads what [`Sampler`]'s `Display` writes: `always`, `never`, `ratio(0.1)`, `per_second(50)`,
/// `budget(5)`, `by_name(health: never, others: always)`, `parent_based(ratio(0.1))`,
/// `parent_based(always, sampled remotely: per_second(100))`.
impl FromStr for Sampler {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        sampler(text.trim(), 0).ok_or_else(|| {
            Error::new(
                format_args!("`{text}` is no sampler"),
                "give always, never, ratio(0.1), per_second(50), budget(5), parent_based(...) or \
                 by_name(name: ..., others: ...)",
            )
        })
    }
}

fn sampler(text: &str, depth: usize) -> Option<Sampler> {
    if depth > MAX_DEPTH {
        return None;
    }
    let Some((name, rest)) = text.split_once('(') else {
        return match text {
            "always" => Some(Sampler::always()),
            "never" => Some(Sampler::never()),
            _ => None,
        };
    };
    let inside = rest.strip_suffix(')')?;
    let number = || inside.trim().parse::<f64>().ok().filter(|number| *number >= 0.0);
    let inner = |text: &str| sampler(text.trim(), depth + 1);
    match name.trim() {
        "ratio" => number().filter(|share| *share <= 1.0).map(Sampler::ratio),
        "per_second" => number().map(Sampler::per_second),
        "budget" => number().map(Sampler::budget),
        "parent_based" => match split_arguments(inside)[..] {
            [root] => Some(Sampler::parent_based(inner(root)?)),
            [root, remote] => {
                let remote = remote.trim().strip_prefix("sampled remotely:")?;
                Some(Sampler::parent_based_with(inner(root)?, inner(remote)?))
            }
            _ => None,
        },
        "by_name" => {
            let named = split_arguments(inside).into_iter().map(|part| {
                let (name, text) = part.split_once(": ")?;
                Some((name.trim(), inner(text)?))
            });
            let mut named: Vec<_> = named.collect::<Option<_>>()?;
            let (_, others) = named.pop().filter(|(name, _)| *name == "others")?;
            Some(Sampler::by_name(named, others))
        }
        _ => None,
    }
}

/// Separated by commas outside of parentheses.
fn split_arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0_usize, 0);
    let mut split_arguments = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                split_arguments.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    split_arguments.push(&text[start..]);
    split_arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displayed_samplers_parse_back() {
        for text in [
            "always",
            "never",
            "ratio(0.25)",
            "per_second(50)",
            "budget(0.5)",
            "parent_based(ratio(0.1))",
            "parent_based(always, sampled remotely: per_second(100))",
            "by_name(health: never, /orders/{id}: ratio(0.5), others: parent_based(budget(5)))",
        ] {
            let read = text.parse::<Sampler>().map(|sampler| sampler.to_string());
            assert_eq!(read.map_err(|error| error.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn invalid_samplers_are_rejected() {
        let deep = "parent_based(".repeat(1000);
        for text in
            ["", "sometimes", "ratio(2)", "ratio(-1)", "ratio(NaN)", "ratio", "always)", &deep]
        {
            assert!(text.parse::<Sampler>().is_err(), "{text}");
        }
        assert!("by_name(a: always)".parse::<Sampler>().is_err(), "no word about the others");
    }

    proptest::proptest! {
        #[test]
        fn sampler_of_any_text_never_panics(text in "[a-z_():,. 0-9]{0,60}") {
            let _ = text.parse::<Sampler>();
        }
    }
}
