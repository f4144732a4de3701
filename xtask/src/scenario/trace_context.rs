//! W3C Trace Context, levels 1 and 2, through a real service: what comes in, and what goes out.
//!
//! The cases are those of the public suite (w3c/trace-context, `test/`); `cargo xtask
//! trace-context-service` is what that suite itself can be pointed at.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::error::{During, Failure};
use crate::scenario::outcome::{Outcome, expect};
use crate::system::{Service, program};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";

/// Values of one traceparent header with which the caller's trace goes on.
const CONTINUED: [&str; 8] = [
    "00-12345678901234567890123456789012-1234567890123456-01",
    "00-12345678901234567890123456789012-1234567890123456-00",
    "00-12345678901234567890123456789012-1234567890123456-03",
    "cc-12345678901234567890123456789012-1234567890123456-01",
    "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
    " 00-12345678901234567890123456789012-1234567890123456-01",
    "\t00-12345678901234567890123456789012-1234567890123456-01\t",
    "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
];

/// Values with which a new trace begins.
const REFUSED: [&str; 23] = [
    "00-12345678901234567890123456789012-1234567890123456-01.",
    "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
    "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
    "ff-12345678901234567890123456789012-1234567890123456-01",
    ".0-12345678901234567890123456789012-1234567890123456-01",
    "0.-12345678901234567890123456789012-1234567890123456-01",
    "000-12345678901234567890123456789012-1234567890123456-01",
    "0000-12345678901234567890123456789012-1234567890123456-01",
    "0-12345678901234567890123456789012-1234567890123456-01",
    "00-00000000000000000000000000000000-1234567890123456-01",
    "00-.2345678901234567890123456789012-1234567890123456-01",
    "00-1234567890123456789012345678901.-1234567890123456-01",
    "00-123456789012345678901234567890123-1234567890123456-01",
    "00-1234567890123456789012345678901-1234567890123456-01",
    "00-12345678901234567890123456789012-0000000000000000-01",
    "00-12345678901234567890123456789012-.234567890123456-01",
    "00-12345678901234567890123456789012-12345678901234567-01",
    "00-12345678901234567890123456789012-123456789012345-01",
    "00-12345678901234567890123456789012-1234567890123456-.0",
    "00-12345678901234567890123456789012-1234567890123456-0.",
    "00-12345678901234567890123456789012-1234567890123456-001",
    "00-12345678901234567890123456789012-1234567890123456-1",
    "00-12345678901234567890123456789012-1234567890123456",
];

/// Tracestate headers of one request, and the members that must come out of it, in their order.
const STATES: [(&[&str], &[&str]); 24] = [
    (&["foo=1,bar=2"], &["foo=1", "bar=2"]),
    (
        &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
        &["foo=1", "bar=2", "rojo=1", "congo=2", "baz=3"],
    ),
    (&[""], &[]),
    (&["foo=1", ""], &["foo=1"]),
    (&["", "foo=1"], &["foo=1"]),
    (&["foo=1 \t , \t bar=2, \t baz=3"], &["foo=1", "bar=2", "baz=3"]),
    (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], &["foo=1", "bar=2", "baz=3"]),
    (&["\t foo=1 \t"], &["foo=1"]),
    (
        &["abcdefghijklmnopqrstuvwxyz0123456789_-*/= !\"#$%&'()*+-./0123456789:;<>?@A[\\]^_`a{|}~"],
        &["abcdefghijklmnopqrstuvwxyz0123456789_-*/= !\"#$%&'()*+-./0123456789:;<>?@A[\\]^_`a{|}~"],
    ),
    (&["0foo@bar=1"], &["0foo@bar=1"]),
    (&["foo=1,foo=1"], &["foo=1", "foo=1"]),
    (&["foo=1,foo=2"], &["foo=1", "foo=2"]),
    (&["foo=1", "foo=1"], &["foo=1", "foo=1"]),
    (&["foo=1", "foo=2"], &["foo=1", "foo=2"]),
    (&["foo =1"], &[]),
    (&["FOO=1"], &[]),
    (&["foo.bar=1"], &[]),
    (&["foo@=1,bar=2"], &["foo@=1", "bar=2"]),
    (&["@foo=1,bar=2"], &[]),
    (&["foo@@bar=1,bar=2"], &["foo@@bar=1", "bar=2"]),
    (&["foo@bar@baz=1,bar=2"], &["foo@bar@baz=1", "bar=2"]),
    (&["foo=bar=baz"], &[]),
    (&["foo=,bar=3"], &[]),
    (&["foo"], &[]),
];

pub(crate) fn cases() -> Result<Outcome, Failure> {
    let service = Suite::start()?;
    for value in CONTINUED {
        let out = service.ask(&[("traceparent", value)])?;
        expect(out.trace_id() == TRACE, &format!("{value:?} was not continued: {out:?}"))?;
        expect(out.parent_id() != PARENT, &format!("{value:?} came out unchanged: {out:?}"))?;
        let random = value.ends_with("03");
        expect(!random || out.flags() & 2 == 2, &format!("the random flag was lost: {out:?}"))?;
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        let out = service.ask(&[(name, CONTINUED[0])])?;
        expect(out.trace_id() == TRACE, &format!("{name} was not understood: {out:?}"))?;
    }
    for value in REFUSED {
        let out = service.ask(&[("traceparent", value)])?;
        expect(out.is_new(), &format!("{value:?} was continued: {out:?}"))?;
    }
    for name in ["trace-parent", "trace.parent"] {
        expect(
            service.ask(&[(name, CONTINUED[0])])?.is_new(),
            &format!("{name} is no traceparent"),
        )?;
    }
    let twice = service.ask(&[("traceparent", CONTINUED[0]), ("traceparent", CONTINUED[0])])?;
    expect(twice.is_new(), &format!("of two traceparents one was taken: {twice:?}"))?;
    let none = service.ask(&[])?;
    expect(
        none.is_new() && none.flags() & 2 == 2,
        &format!("a new trace is not random: {none:?}"),
    )?;

    for (sent, wanted) in STATES {
        service.keeps(sent, wanted)?;
    }
    let alone = service.ask(&[("tracestate", "foo=1")])?;
    expect(
        alone.state.is_empty(),
        &format!("a tracestate without traceparent was kept: {alone:?}"),
    )?;
    limits(&service)?;

    let [first, second, third] = service.three(&[("traceparent", CONTINUED[0])])?;
    let ids = [first.parent_id(), second.parent_id(), third.parent_id()];
    let all = [&first, &second, &third];
    expect(all.iter().all(|out| out.trace_id() == TRACE), "three calls left the trace")?;
    expect(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        &format!("{ids:?} are not three spans"),
    )?;
    Ok(Outcome::Passed)
}

fn limits(service: &Suite) -> Result<(), Failure> {
    let members = |count: usize| (0..count).map(|at| format!("bar{at:02}=1")).collect::<Vec<_>>();
    let at_most = members(32);
    let wanted: Vec<&str> = at_most.iter().map(String::as_str).collect();
    service.keeps(&[&at_most.join(",")], &wanted)?;
    service.keeps(&[&at_most[..20].join(","), &at_most[20..].join(",")], &wanted)?;
    service.keeps(&[&members(33).join(",")], &[])?;
    for (key, kept) in [
        ("z".repeat(256), true),
        ("z".repeat(257), false),
        (format!("{}@{}", "t".repeat(241), "v".repeat(14)), true),
        (format!("{}@v", "t".repeat(242)), true),
        (format!("t@{}", "v".repeat(15)), true),
        (format!("{}@v", "t".repeat(255)), false),
    ] {
        let member = format!("{key}=1");
        let member = member.as_str();
        let wanted: &[&str] = if kept { &[member] } else { &[] };
        service.keeps(&[member], wanted)?;
    }
    Ok(())
}

/// A running service and the harness that it calls back.
struct Suite {
    _service: Service,
    addr: SocketAddr,
    harness: SocketAddr,
    calls: Receiver<Outgoing>,
}

/// The context of one outgoing call.
#[derive(Debug, Default)]
struct Outgoing {
    parents: Vec<String>,
    state: Vec<String>,
}

impl Outgoing {
    fn part(&self, at: usize) -> &str {
        let one = if self.parents.len() == 1 { self.parents[0].as_str() } else { "" };
        one.split('-').nth(at).unwrap_or_default()
    }

    fn trace_id(&self) -> &str {
        self.part(1)
    }

    fn parent_id(&self) -> &str {
        self.part(2)
    }

    fn flags(&self) -> u8 {
        u8::from_str_radix(self.part(3), 16).unwrap_or_default()
    }

    fn is_new(&self) -> bool {
        let id = self.trace_id();
        id.len() == 32 && !id.contains(&TRACE[..31]) && id != "0".repeat(32)
    }
}

impl Suite {
    fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let harness = listener.local_addr()?;
        let (calling, calls) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let calling = calling.clone();
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    while let Some(call) = read_call(&mut stream) {
                        let _ = calling.send(call);
                        let _ = stream
                            .get_mut()
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                    }
                });
            }
        });
        let variables = [("BIND", "127.0.0.1:0".to_owned()), ("OBS_ADMIN_ADDR", "off".to_owned())];
        let program = program("trace-context-service")?;
        let mut service = Service::start("trace-context-service", &program, &[], &variables, None)?;
        let addr = service.wait_for_line("listens", |line| {
            (line.json["event"] == "listening").then(|| line.json["addr"].as_str()?.parse().ok())?
        })?;
        Ok(Self { _service: service, addr, harness, calls })
    }

    /// Sends these headers, and answers the context of the one call that comes of it.
    fn ask(&self, headers: &[(&str, &str)]) -> Result<Outgoing, Failure> {
        self.send(headers, 1)?;
        self.call()
    }

    fn three(&self, headers: &[(&str, &str)]) -> Result<[Outgoing; 3], Failure> {
        self.send(headers, 3)?;
        Ok([self.call()?, self.call()?, self.call()?])
    }

    /// Sends these tracestate headers with a good traceparent, and expects these members.
    fn keeps(&self, sent: &[&str], wanted: &[&str]) -> Result<(), Failure> {
        let mut headers = vec![("traceparent", CONTINUED[1])];
        headers.extend(sent.iter().map(|value| ("tracestate", *value)));
        let out = self.ask(&headers)?;
        expect(out.trace_id() == TRACE, &format!("{sent:?} ended the trace: {out:?}"))?;
        expect(out.state == wanted, &format!("of {sent:?} came {:?}, not {wanted:?}", out.state))
    }

    fn send(&self, headers: &[(&str, &str)], calls: usize) -> Result<(), Failure> {
        let call = format!(r#"{{"url":"http://{}/call","arguments":[]}}"#, self.harness);
        let body = format!("[{}]", vec![call; calls].join(","));
        let mut request = format!(
            "POST /test HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += &body;
        let mut stream = TcpStream::connect(self.addr).during("the service does not listen")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        expect(answer.starts_with("HTTP/1.1 200"), &format!("{headers:?} was answered {answer:?}"))
    }

    fn call(&self) -> Result<Outgoing, Failure> {
        self.calls.recv_timeout(Duration::from_secs(60)).during("the service made no call")
    }
}

/// One request of a kept-alive connection.
fn read_call(stream: &mut BufReader<TcpStream>) -> Option<Outgoing> {
    let mut call = Outgoing::default();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "traceparent" => call.parents.push(value.to_owned()),
            "tracestate" => {
                let members = value.split(',').map(str::trim).filter(|member| !member.is_empty());
                call.state.extend(members.map(str::to_owned));
            }
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(call)
}
