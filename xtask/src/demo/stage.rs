//! What the buttons of the console's page do: the console asks a server here, on a loopback port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::demo::fleet::Fleet;
use crate::demo::load::in_flight;
use crate::demo::outage::{give_back, take_away};
use crate::error::{During, Failure};
use crate::system::Service;

const SCENARIOS: [&str; 6] = ["ok", "slow", "error", "panic", "database-down", "drain"];

/// Long enough to see it on the page.
const OUTAGE: Duration = Duration::from_secs(10);
/// How many requests a drain has to wait for, and how long they take.
const DRAINED: (usize, u64) = (20, 3_000);

/// The server, before and while it plays.
pub(crate) struct Stage {
    listener: TcpListener,
}

enum Event {
    Play(&'static str, TcpStream),
    Stop,
}

impl Stage {
    pub(crate) fn open() -> Result<Self, Failure> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("no port for the scenarios")?;
        Ok(Self { listener })
    }

    /// The console's `--action` for each of them.
    pub(crate) fn actions(&self) -> Vec<String> {
        let Ok(addr) = self.listener.local_addr() else { return Vec::new() };
        SCENARIOS.map(|name| format!("{name}=POST http://{addr}/{name}")).to_vec()
    }

    /// Plays what is asked for, until SIGINT or SIGTERM.
    pub(crate) fn play(self, fleet: &mut Fleet) -> Result<(), Failure> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (send, events) = channel();
        let stop = send.clone();
        thread::spawn(move || signals.forever().next().map(|_| stop.send(Event::Stop)));
        thread::spawn(move || accept(&self.listener, &send));

        let mut outage: Option<(Option<Service>, Instant)> = None;
        let mut number = 0;
        loop {
            let left =
                outage.as_ref().map(|(_, end)| end.saturating_duration_since(Instant::now()));
            let event = events.recv_timeout(left.unwrap_or(Duration::from_secs(3_600)));
            if left.is_some_and(|left| left.is_zero())
                || matches!(event, Err(RecvTimeoutError::Timeout))
            {
                mend(fleet, &mut outage)?;
            }
            match event {
                Ok(Event::Play("database-down", stream)) => {
                    let text = if outage.is_some() {
                        "it is down already".to_owned()
                    } else {
                        outage = Some((take_away(fleet)?, Instant::now() + OUTAGE));
                        format!("down for {} s: look at Health", OUTAGE.as_secs())
                    };
                    answer(stream, 200, &text);
                }
                Ok(Event::Play(name, stream)) => {
                    number += 1;
                    // The restarted service waits for the others to be ready.
                    if name == "drain" {
                        mend(fleet, &mut outage)?;
                    }
                    let (status, text) = match act(fleet, name, number) {
                        Ok(text) => (200, text),
                        Err(failure) => (500, failure.to_string()),
                    };
                    answer(stream, status, &text);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        mend(fleet, &mut outage)
    }
}

fn mend(fleet: &Fleet, outage: &mut Option<(Option<Service>, Instant)>) -> Result<(), Failure> {
    outage.take().map_or(Ok(()), |(lock, _)| give_back(fleet, lock))
}

fn act(fleet: &mut Fleet, name: &str, number: u32) -> Result<String, Failure> {
    let gateway = fleet.gateway().to_owned();
    let (method, path) = match name {
        "ok" => ("POST", format!("/orders/page-{number}")),
        "slow" => ("GET", "/slow/800".to_owned()),
        "error" => ("GET", "/fail".to_owned()),
        "panic" => ("GET", "/panic".to_owned()),
        _ => return drain(fleet),
    };
    let answer = fleet.http.send(method, &format!("{gateway}{path}"), &[], "")?;
    Ok(format!("{method} {path} was answered {}", answer.status))
}

/// SIGTERM to the gateway while requests are in flight; it is started again when it has ended.
fn drain(fleet: &mut Fleet) -> Result<String, Failure> {
    let (count, ms) = DRAINED;
    let gateway = fleet.services().find(|service| service.name == "gateway");
    let batch = in_flight(fleet, count, ms, || {
        thread::sleep(Duration::from_millis(500));
        if let Some(gateway) = gateway {
            gateway.terminate();
        }
    });
    if let Some(gateway) = fleet.service("gateway") {
        gateway.wait(Duration::from_secs(60))?;
    }
    fleet.restart("gateway")?;
    Ok(format!(
        "{} of {count} requests were answered while the gateway ended",
        batch.answered.len()
    ))
}

/// Takes what the console sends; a web page, which names its origin, is refused.
fn accept(listener: &TcpListener, events: &Sender<Event>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut head = Vec::new();
        let mut reader = BufReader::new((&stream).take(16 * 1024));
        while !matches!(reader.read_until(b'\n', &mut head), Ok(0..=2) | Err(_)) {}
        drop(reader);
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let asked = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let scenario = SCENARIOS.into_iter().find(|name| *name == asked);
        match scenario.filter(|_| head.starts_with("post ") && !head.contains("\norigin:")) {
            Some(name) => {
                if events.send(Event::Play(name, stream)).is_err() {
                    return;
                }
            }
            None => answer(stream, 404, "no scenario has this name"),
        }
    }
}

fn answer(mut stream: TcpStream, status: u16, text: &str) {
    let length = text.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} .\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
}
