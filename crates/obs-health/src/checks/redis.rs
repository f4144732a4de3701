use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::check::Check;

impl Check {
    /// A check that sends `PING` to the Redis at `addr` (`host:port`) on a connection of its own.
    ///
    /// A server that asks for a password has answered, so it is up; one that loads its data or has lost
    /// its primary is down.
    pub fn redis(name: impl Into<String>, addr: impl Into<String>) -> Self {
        let addr = addr.into();
        Self::new(name, move || {
            let addr = addr.clone();
            async move { ping(&addr).await }
        })
    }
}

async fn ping(addr: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
    let mut answer = [0; 128];
    let mut length = 0;
    while length < answer.len() && !answer[..length].contains(&b'\n') {
        match stream.read(&mut answer[length..]).await? {
            0 => break,
            read => length += read,
        }
    }
    let answer = &answer[..length];
    if answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH") {
        return Ok(());
    }
    let said = String::from_utf8_lossy(answer);
    Err(io::Error::other(format!("PING was answered {:?}", said.trim_end())))
}
