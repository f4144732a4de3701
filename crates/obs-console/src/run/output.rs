//! A program's output: passed on, and stored as log lines.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lines::{AssembledLines, Assembler, JOIN_TIMEOUT};
use crate::model::{Attributes, LogLine, now_nanos};
use crate::store::Store;

/// Reads `stream` to its end. A program that writes faster than its lines are kept waits, as it does for a
/// terminal. Calls `admin` with the admin server that a line names.
pub(super) async fn pump(
    mut stream: impl AsyncRead + Unpin,
    mut shown: impl AsyncWrite + Unpin,
    (service, name): (Arc<str>, &'static str),
    store: Arc<Store>,
    admin: impl Fn(SocketAddr),
) {
    let mut assembler = Assembler::new(Arc::clone(&service), name);
    let mut lost = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer);
        let read = if assembler.is_waiting() {
            match tokio::time::timeout(JOIN_TIMEOUT, read).await {
                Ok(read) => read,
                Err(_) => {
                    store_lines(&store, assembler.flush_pending());
                    continue;
                }
            }
        } else {
            read.await
        };
        // An error is the end, as for every reader of a pipe.
        let count = read.unwrap_or(0);
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        // If our own output fails, the program continues and the page has its lines.
        if let Err(error) = write(&mut shown, bytes).await {
            lost.get_or_insert((0, error)).0 += bytes.len();
        }
        let assembled = assembler.push(bytes);
        for address in assembled.lines.iter().filter_map(admin_server) {
            admin(address);
        }
        store_lines(&store, assembled);
    }
    store_lines(&store, assembler.finish());
    if let Some((bytes, error)) = lost {
        report_lost(&store, &service, name, bytes, &error).await;
    }
}

async fn write(shown: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    shown.write_all(bytes).await?;
    shown.flush().await
}

/// On the page and, where nobody has closed the output on purpose, on stderr.
async fn report_lost(
    store: &Store,
    service: &Arc<str>,
    name: &str,
    bytes: usize,
    error: &io::Error,
) {
    let what = format!(
        "{bytes} bytes of its {name} could not be passed on: {error}; the page has its lines, print elsewhere"
    );
    if error.kind() != io::ErrorKind::BrokenPipe {
        say(&format!("{service}: {what}")).await;
    }
    store.add_logs([own_line(service, "error", what)]);
}

/// On stderr; where that fails, too, the page has the line.
pub(super) async fn say(text: &str) {
    let _page_has_it =
        tokio::io::stderr().write_all(format!("obs-console: {text}\n").as_bytes()).await;
}

/// A line of the console's own about a program.
pub(super) fn own_line(service: &Arc<str>, level: &str, event: String) -> LogLine {
    LogLine {
        service: Arc::clone(service),
        instance: None,
        unix_nanos: now_nanos(),
        level: level.into(),
        event: event.into(),
        target: "obs_console".into(),
        trace_id: None,
        span_id: None,
        request_id: None,
        fields: Attributes::default(),
    }
}

fn store_lines(store: &Store, assembled: AssembledLines) {
    store.count_text_lines(assembled.text);
    store.count_cut_lines(assembled.cut);
    store.add_logs(assembled.lines);
}

/// What obs-all says once it serves: `"event":"listening","admin":"127.0.0.1:9464"`.
fn admin_server(line: &LogLine) -> Option<SocketAddr> {
    match &*line.event {
        "listening" => line.fields.text("admin")?.parse().ok(),
        _ => None,
    }
}
