//! The text of an error that tells its causes and its backtrace with its message, as anyhow and eyre write it.

const CAUSES: &str = "\n\nCaused by:\n";
const LOCATION: &str = "\n\nLocation:\n";
const BACKTRACE: &str = "\n\nStack backtrace:\n";

/// Causes past this many are left out.
const MAX_CAUSES: usize = 16;

/// What the text of an error tells: of any other text, it is the message.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorText<'a> {
    /// What the error itself says.
    pub message: &'a str,
    /// What each of its causes says, the nearest first, 16 at most.
    pub causes: Vec<String>,
    /// Where it was made, as eyre tells.
    pub location: Option<&'a str>,
    /// The backtrace, one call in a line or two.
    pub backtrace: Option<&'a str>,
}

impl<'a> ErrorText<'a> {
    /// Takes the text apart.
    pub fn parse(text: &'a str) -> Self {
        let (text, backtrace) = split(text, BACKTRACE);
        let (text, location) = split(text, LOCATION);
        let (message, causes) = split(text, CAUSES);
        let causes = causes.map(parse_causes).unwrap_or_default();
        Self { message, causes, location: location.map(str::trim), backtrace }
    }

    /// Whether the text is a message and nothing else.
    pub fn is_message(&self) -> bool {
        self.causes.is_empty() && self.location.is_none() && self.backtrace.is_none()
    }

    /// The message and its causes: `outer: inner: innermost`.
    pub fn chain(&self) -> String {
        let mut chain = self.message.to_owned();
        for cause in &self.causes {
            chain.extend([": ", cause]);
        }
        chain
    }
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(at) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// One cause alone has no number; further lines of a cause have none either.
fn parse_causes(text: &str) -> Vec<String> {
    let is_numbered = text.trim_start().starts_with("0: ");
    let mut causes: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        let number = || Some(line.split_once(": ")?.0.parse::<usize>().ok()? == causes.len());
        let starts = causes.is_empty() || is_numbered && number() == Some(true);
        let line = match line.split_once(": ") {
            Some((_, cause)) if is_numbered && starts => cause,
            _ => line,
        };
        if starts && causes.len() == MAX_CAUSES {
            break;
        }
        match causes.last_mut().filter(|_| !starts) {
            Some(cause) => cause.extend(["\n", line]),
            None => causes.push(line.to_owned()),
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_location_and_backtrace_are_taken_apart() {
        let text = "no order\n\nCaused by:\n    0: the pool\n       is empty\n    1: 7: timed out\n\n\
                    Location:\n    src/main.rs:7:5\n\nStack backtrace:\n   0: app::main\n";
        let told = ErrorText::parse(text);
        assert_eq!(told.message, "no order");
        assert_eq!(told.causes, ["the pool\nis empty", "7: timed out"]);
        assert_eq!(told.location, Some("src/main.rs:7:5"));
        assert_eq!(told.backtrace, Some("   0: app::main\n"));
        assert_eq!(told.chain(), "no order: the pool\nis empty: 7: timed out");
    }

    #[test]
    fn single_cause_has_no_number() {
        let told = ErrorText::parse("no order\n\nCaused by:\n    7: timed\n    out");
        assert_eq!(told.causes, ["7: timed\nout"]);
        assert!(!told.is_message());
    }

    #[test]
    fn text_without_causes_is_message() {
        for text in ["", "Refused { code: 7 }", "two\n\nparagraphs"] {
            let told = ErrorText::parse(text);
            assert!(told.is_message() && told.message == text, "{told:?}");
        }
    }

    #[test]
    fn causes_past_limit_are_left_out() {
        let causes: String = (0..40).map(|at| format!("    {at}: c{at}\n")).collect();
        let text = format!("top\n\nCaused by:\n{causes}");
        let told = ErrorText::parse(&text);
        assert_eq!((told.causes.len(), told.causes[15].as_str()), (16, "c15"));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_error_text_is_parsed_without_panic(message in "\\PC{0,40}", causes in "(\\PC|\n|[0-9]: ){0,80}") {
            let text = format!("{message}{CAUSES}{causes}{BACKTRACE}x");
            let told = ErrorText::parse(&text);
            proptest::prop_assert!(told.causes.len() <= MAX_CAUSES);
            proptest::prop_assert!(told.chain().starts_with(told.message));
        }
    }
}
