//! The stuck peers, tried on one another's plain sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use obs_testing::peers::{Client, Clients, Server, Servers, affordable};

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn stuck_client_stays_until_server_closes_connection() {
    for client in Client::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let clients = Clients::connect(listener.local_addr().unwrap(), client, 3).unwrap();
        let mut accepted: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        assert_eq!(clients.closed().unwrap(), 0, "{client:?}");
        if client == Client::Silent {
            accepted[0].set_nonblocking(true).unwrap();
            assert_eq!(accepted[0].read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        } else {
            accepted[0].set_read_timeout(Some(LONG)).unwrap();
            assert_eq!(accepted[0].read(&mut [0]).unwrap(), 1, "{client:?}");
        }
        drop(accepted);
        while clients.closed().unwrap() < 3 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn stuck_server_stops_at_stage() {
    for server in Server::ALL {
        let servers = Servers::start(server).unwrap();
        let mut stream = TcpStream::connect(servers.addr()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let answers =
            [Server::HalfHead, Server::SendsHeadSlowly, Server::HalfBody, Server::SendsBodySlowly];
        let wait = if server == Server::Resets || answers.contains(&server) {
            LONG
        } else {
            Duration::from_millis(50)
        };
        stream.set_read_timeout(Some(wait)).unwrap();
        let read = stream.read(&mut [0; 4]).map_err(|error| error.kind());
        let expected = match server {
            Server::Resets => Err(ErrorKind::ConnectionReset),
            _ if answers.contains(&server) => Ok(4),
            _ => Err(ErrorKind::WouldBlock),
        };
        assert_eq!(read, expected, "{server:?}");
        let accepts = server != Server::NeverAccepts;
        while accepts && servers.accepted() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(servers.accepted(), usize::from(accepts), "{server:?}");
    }
}

#[test]
fn client_count_past_open_file_limit_is_reduced() {
    assert_eq!(affordable(1, 2), 1);
    assert!(affordable(usize::MAX, 2) < usize::MAX);
}
