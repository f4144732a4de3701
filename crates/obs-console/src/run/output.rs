//! A program's output: passed on, and stored as log lines.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lines::{AssembledLines, Assembler, JOIN_TIMEOUT};
use crate::model::LogLine;
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
    let mut assembler = Assembler::new(service, name);
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
        // If our own output is closed, the program continues and the page has its lines.
        let _ = shown.write_all(bytes).await;
        let _ = shown.flush().await;
        let assembled = assembler.push(bytes);
        for address in assembled.lines.iter().filter_map(admin_server) {
            admin(address);
        }
        store_lines(&store, assembled);
    }
    store_lines(&store, assembler.finish());
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
