//! A collector's JSON answer.

use super::verdict::{Verdict, printable};
use crate::signal::Signal;

/// How many items a JSON answer says were refused, and why: `{"partialSuccess": {"rejectedSpans": "2"}}`.
pub(super) fn accepted(answer: &[u8], signal: Signal) -> Verdict {
    let answer = String::from_utf8_lossy(answer);
    let after = |name: &str| {
        let quoted = format!("\"{name}\"");
        let rest = answer.split_once(&quoted)?.1.trim_start().strip_prefix(':')?;
        Some(rest.trim_start())
    };
    let rejected = after(signal.rejected_key()).map(|rest| {
        let digits = rest.trim_start_matches('"');
        let end =
            digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end).unwrap_or_default().parse().unwrap_or(0)
    });
    let message = after("errorMessage")
        .and_then(|rest| Some(printable(rest.strip_prefix('"')?.split_once('"')?.0.as_bytes())));
    Verdict::Accepted { rejected: rejected.unwrap_or(0), message: message.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success_is_read() {
        let says = |answer: &[u8], signal| match accepted(answer, signal) {
            Verdict::Accepted { rejected, message } => (rejected, message),
            other => (99, format!("{other:?}")),
        };
        let answer = br#"{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}"#;
        assert_eq!(says(answer, Signal::Traces), (2, "too old".to_owned()));
        let answer = br#"{"partialSuccess":{"rejectedLogRecords":3}}"#;
        assert_eq!(says(answer, Signal::Logs), (3, String::new()));
        assert_eq!(says(answer, Signal::Metrics), (0, String::new()));
        assert_eq!(says(b"{}", Signal::Traces), (0, String::new()));
        assert_eq!(says(b"\xff\"rejectedSpans\":", Signal::Traces), (0, String::new()));
    }
}
