//! A program's output: shown as it is, and kept as log lines.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lines::{Assembler, Made, PAUSE};
use crate::model::LogLine;
use crate::store::Store;

/// Reads `stream` to its end. A program that writes faster than its lines are kept waits, as it does for a
/// terminal. `admin` is told of the admin server that a line names.
pub(super) async fn pump(
    mut stream: impl AsyncRead + Unpin,
    mut shown: impl AsyncWrite + Unpin,
    (service, name): (Arc<str>, &'static str),
    store: Arc<Store>,
    admin: impl Fn(SocketAddr),
) {
    let mut assembler = Assembler::new(service, name);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer);
        let read = if assembler.is_waiting() {
            match tokio::time::timeout(PAUSE, read).await {
                Ok(read) => read,
                Err(_) => {
                    keep(&store, assembler.pause());
                    continue;
                }
            }
        } else {
            read.await
        };
        // An error is the end, as for every reader of a pipe.
        let count = read.unwrap_or(0);
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        // Where nobody reads our own output any more, the program goes on and the page has its lines.
        let _ = shown.write_all(bytes).await;
        let _ = shown.flush().await;
        let made = assembler.push(bytes);
        for address in made.lines.iter().filter_map(admin_server) {
            admin(address);
        }
        keep(&store, made);
    }
    keep(&store, assembler.finish());
}

fn keep(store: &Store, made: Made) {
    store.count_text_lines(made.text);
    store.count_cut_lines(made.cut);
    store.add_logs(made.lines);
}

/// What obs-all says once it serves: `"event":"listening","admin":"127.0.0.1:9464"`.
fn admin_server(line: &LogLine) -> Option<SocketAddr> {
    match &*line.event {
        "listening" => line.fields.text("admin")?.parse().ok(),
        _ => None,
    }
}
