//! What a collector may answer, and what has to come of it.

use std::time::{Duration, SystemTime};

use obs_testing::otlp::Answer;

/// What has to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Delivered,
    /// Delivered, and its one item or one of its points refused.
    Rejected,
    Lost,
    Unknown,
}

use Expected::{Delivered, Lost, Rejected, Unknown};

/// The collector's first answers; it accepts what comes after them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) answers: fn() -> Vec<Answer>,
    /// Attempts and fate over HTTP, and over gRPC; `None` where the protocol has no such answer.
    pub(crate) http: Option<(usize, Expected)>,
    pub(crate) grpc: Option<(usize, Expected)>,
    /// The least time between the first two attempts over HTTP, and over gRPC.
    pub(crate) gap: [Duration; 2],
    /// In the warning.
    pub(crate) logged: &'static str,
    /// Whether the shutdown comes while the answer is waited for.
    pub(crate) shuts_down: bool,
}

const NO_GAP: [Duration; 2] = [Duration::ZERO; 2];

/// A date has whole seconds: of the second that is asked for at least this is left.
const NEARLY_A_SECOND: Duration = Duration::from_millis(900);

const PLAIN: Case = Case {
    name: "",
    answers: Vec::new,
    http: None,
    grpc: None,
    gap: NO_GAP,
    logged: "",
    shuts_down: false,
};

fn http(status: u16) -> Vec<Answer> {
    vec![Answer::Http(status, Vec::new(), "a reason\nof two lines")]
}

fn busy(status: u16, after: impl ToString) -> Vec<Answer> {
    vec![Answer::Http(status, vec![("retry-after", after.to_string())], "busy")]
}

fn grpc(code: u32, after: Option<Duration>) -> Vec<Answer> {
    vec![Answer::Grpc(code, after, "told so")]
}

const YEAR: u64 = 365 * 24 * 3600;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "200",
        answers: || vec![Answer::Accept],
        http: Some((1, Delivered)),
        grpc: Some((1, Delivered)),
        ..PLAIN
    },
    Case {
        name: "202",
        answers: || http(202),
        http: Some((1, Delivered)),
        grpc: Some((1, Lost)),
        ..PLAIN
    },
    Case {
        name: "204",
        answers: || http(204),
        http: Some((1, Delivered)),
        grpc: Some((1, Lost)),
        ..PLAIN
    },
    Case {
        name: "307",
        answers: || {
            vec![Answer::Http(307, vec![("location", "http://127.0.0.1:1/".to_owned())], "")]
        },
        http: Some((1, Lost)),
        grpc: Some((1, Lost)),
        logged: "307",
        ..PLAIN
    },
    Case {
        name: "400",
        answers: || http(400),
        http: Some((1, Lost)),
        grpc: Some((1, Lost)),
        logged: "400",
        ..PLAIN
    },
    Case {
        name: "401 with its text",
        answers: || http(401),
        http: Some((1, Lost)),
        grpc: None,
        logged: "a reason of two lines",
        ..PLAIN
    },
    Case {
        name: "413",
        answers: || http(413),
        http: Some((1, Lost)),
        grpc: Some((1, Lost)),
        logged: "413",
        ..PLAIN
    },
    Case {
        name: "429 without a word",
        answers: || http(429),
        http: Some((2, Delivered)),
        grpc: Some((2, Delivered)),
        logged: "429",
        ..PLAIN
    },
    Case {
        name: "429 with seconds",
        answers: || busy(429, 1),
        http: Some((2, Delivered)),
        gap: [NEARLY_A_SECOND, Duration::ZERO],
        ..PLAIN
    },
    Case {
        name: "429 with a date",
        answers: || busy(429, httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2))),
        http: Some((2, Delivered)),
        gap: [NEARLY_A_SECOND, Duration::ZERO],
        ..PLAIN
    },
    Case {
        name: "503 with a date that is over",
        answers: || busy(503, "Thu, 01 Jan 1970 00:00:00 GMT"),
        http: Some((2, Delivered)),
        ..PLAIN
    },
    Case {
        name: "500",
        answers: || http(500),
        http: Some((1, Lost)),
        grpc: Some((1, Lost)),
        ..PLAIN
    },
    Case {
        name: "503 three times",
        answers: || [http(503), http(503), http(503)].concat(),
        http: Some((4, Delivered)),
        grpc: Some((4, Delivered)),
        ..PLAIN
    },
    Case { name: "503 and a year", answers: || busy(503, YEAR), http: Some((1, Lost)), ..PLAIN },
    Case {
        name: "503 and for ever",
        answers: || busy(503, u64::MAX),
        http: Some((1, Lost)),
        ..PLAIN
    },
    Case {
        name: "partial success",
        answers: || vec![Answer::Partial(1)],
        http: Some((1, Rejected)),
        grpc: Some((1, Rejected)),
        logged: "too old",
        ..PLAIN
    },
    Case {
        name: "reset",
        answers: || vec![Answer::Reset],
        http: Some((2, Delivered)),
        grpc: Some((2, Delivered)),
        ..PLAIN
    },
    Case {
        name: "hang",
        answers: || vec![Answer::Hang],
        http: Some((2, Delivered)),
        grpc: Some((2, Delivered)),
        logged: "no answer within",
        ..PLAIN
    },
    Case {
        name: "hang at the shutdown",
        answers: || vec![Answer::Hang],
        http: Some((1, Unknown)),
        grpc: Some((1, Unknown)),
        logged: "shut down before",
        shuts_down: true,
        ..PLAIN
    },
    Case {
        name: "slow answer",
        answers: || vec![Answer::Late(Duration::from_millis(50))],
        http: Some((1, Delivered)),
        grpc: Some((1, Delivered)),
        ..PLAIN
    },
    Case {
        // Over gRPC the word is in the trailers, after the body.
        name: "a body without an end",
        answers: || vec![Answer::Endless],
        http: Some((1, Delivered)),
        grpc: Some((2, Delivered)),
        ..PLAIN
    },
    Case {
        name: "garbage",
        answers: || vec![Answer::Garbage],
        http: Some((1, Delivered)),
        grpc: Some((1, Delivered)),
        ..PLAIN
    },
    Case {
        name: "an answer of a megabyte",
        answers: || vec![Answer::Long],
        http: Some((1, Delivered)),
        grpc: Some((2, Delivered)),
        ..PLAIN
    },
    Case {
        name: "gRPC 14 with RetryInfo",
        answers: || grpc(14, Some(Duration::from_secs(1))),
        grpc: Some((2, Delivered)),
        gap: [Duration::ZERO, NEARLY_A_SECOND],
        logged: "UNAVAILABLE",
        ..PLAIN
    },
    Case {
        name: "gRPC 14 and a year",
        answers: || grpc(14, Some(Duration::from_secs(YEAR))),
        grpc: Some((1, Lost)),
        ..PLAIN
    },
    Case { name: "gRPC 8", answers: || grpc(8, None), grpc: Some((1, Lost)), ..PLAIN },
    Case {
        name: "gRPC 8 with RetryInfo",
        answers: || grpc(8, Some(Duration::from_millis(5))),
        grpc: Some((2, Delivered)),
        ..PLAIN
    },
    Case {
        name: "gRPC 3",
        answers: || grpc(3, None),
        grpc: Some((1, Lost)),
        logged: "INVALID_ARGUMENT",
        ..PLAIN
    },
    Case {
        name: "gRPC 16",
        answers: || grpc(16, None),
        grpc: Some((1, Lost)),
        logged: "told so",
        ..PLAIN
    },
    Case {
        name: "gRPC 12",
        answers: || grpc(12, None),
        grpc: Some((1, Lost)),
        logged: "to none",
        ..PLAIN
    },
];
