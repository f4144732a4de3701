//! The parameters of a profile that is asked for over HTTP.

use std::time::Duration;

use obs_context::TraceId;

use crate::attach::record::Recording;
use crate::labels::SampleFilter;

/// As Go's `net/http/pprof`: 30 s by default.
const DEFAULT_SECONDS: u64 = 30;
const MAX_SECONDS: u64 = 300;
/// As Go's, which is also a divisor of most kernels' timers.
const DEFAULT_RATE: u32 = 100;

/// What is wrong with a parameter, and what it may be.
pub(crate) type Problem = String;

/// `seconds`, `hz`, `trace_id`, `span` and `route`.
pub(crate) fn parse(query: &str) -> Result<(Recording, SampleFilter), Problem> {
    let mut recording =
        Recording { rate: DEFAULT_RATE, duration: Duration::from_secs(DEFAULT_SECONDS) };
    let mut filter = SampleFilter::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match name {
            "seconds" => {
                let seconds = value.parse().ok().filter(|it| (1..=MAX_SECONDS).contains(it));
                let seconds = seconds.ok_or_else(|| {
                    format!("seconds={value}: give a whole number from 1 to {MAX_SECONDS}")
                })?;
                recording.duration = Duration::from_secs(seconds);
            }
            "hz" => {
                let rate = value.parse().ok().filter(|rate| (1..=250).contains(rate));
                recording.rate =
                    rate.ok_or_else(|| format!("hz={value}: give a whole number from 1 to 250"))?;
            }
            "trace_id" => {
                let id = value.parse::<TraceId>();
                filter.trace_id = Some(id.map_err(|error| format!("trace_id={value}: {error}"))?);
            }
            "span" => filter.span = Some(value),
            "route" => filter.route = Some(value),
            // `gc` and `debug` are asked for by Go's own tools.
            "gc" | "debug" => {}
            _ => {
                return Err(format!(
                    "{name} is no parameter: there are seconds, hz, trace_id, span and route"
                ));
            }
        }
    }
    Ok((recording, filter))
}

/// Without percent-encoding.
fn decoded(text: &str) -> Result<String, Problem> {
    let wrong = || format!("{text}: not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = digit().zip(digit()).ok_or_else(wrong)?;
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn query_parameters_are_parsed() {
        let (recording, filter) =
            parse("seconds=5&hz=250&route=%2Forders%2F{id}&span=a+b").expect("fine");
        assert_eq!((recording.rate, recording.duration), (250, Duration::from_secs(5)));
        assert_eq!(filter.route.as_deref(), Some("/orders/{id}"));
        assert_eq!(filter.span.as_deref(), Some("a b"));
        let (recording, filter) = parse("").expect("fine");
        assert_eq!((recording.rate, recording.duration), (100, Duration::from_secs(30)));
        assert_eq!(filter, SampleFilter::default());
    }

    #[test]
    fn wrong_query_is_rejected_with_remedy() {
        for (query, told) in [
            ("seconds=301", "1 to 300"),
            ("seconds=0", "1 to 300"),
            ("seconds=x", "1 to 300"),
            ("hz=1000", "1 to 250"),
            ("trace_id=7", "32 lower-case"),
            ("route=%ff", "percent-encoded"),
            ("route=%2", "percent-encoded"),
            ("second=5", "seconds, hz, trace_id, span and route"),
        ] {
            let problem = parse(query).expect_err(query);
            assert!(problem.contains(told), "{query}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_query_is_parsed_without_panic(query in ".{0,100}") {
            let _ = parse(&query);
        }
    }
}
