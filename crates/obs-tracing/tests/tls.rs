//! An `https://` endpoint, with a root certificate that the system trusts.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::print_stderr, reason = "it is a test, which says what it skips")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use obs_tracing::{Builder, Delivery, Protocol};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// Tells its port, then accepts every POST over TLS.
const SERVER: &str = r"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        self.send_response(200)
        self.send_header('content-length', '0')
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

fn certificate(folder: &str) -> bool {
    let (key, cert) = (format!("{folder}/key.pem"), format!("{folder}/cert.pem"));
    Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &cert])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn only_trusted_collectors_receive_spans() {
    if let Ok(endpoint) = std::env::var("OBS_TEST_TLS_ENDPOINT") {
        return export(&endpoint); // the part that runs with its own trusted roots
    }
    let folder = std::env::temp_dir().join(format!("obs-tracing-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    if !certificate(folder) {
        return obs_testing::skipped("openssl is not installed");
    }
    let mut server = Command::new("python3")
        .args(["-c", SERVER, folder])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let endpoint = format!("https://localhost:{}", port.trim());
    let trusting = |roots: &str| {
        let this = Command::new(std::env::current_exe().unwrap())
            .env("OBS_TEST_TLS_ENDPOINT", &endpoint)
            .env("SSL_CERT_FILE", roots)
            .args(["--exact", "only_trusted_collectors_receive_spans"])
            .output()
            .unwrap();
        (this.status.success(), String::from_utf8_lossy(&this.stdout).into_owned())
    };
    let other = format!("{folder}/other");
    std::fs::create_dir_all(&other).unwrap();
    let (trusted, trusted_said) = trusting(&format!("{folder}/cert.pem"));
    let untrusted = certificate(&other).then(|| trusting(&format!("{other}/cert.pem")));
    server.kill().unwrap();
    server.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(trusted, "{trusted_said}");
    let (accepted, said) = untrusted.unwrap();
    assert!(!accepted && said.contains("lost: 1"), "{said}");
}

fn export(endpoint: &str) {
    let (layer, traces) = Builder::new("test")
        .endpoint(endpoint)
        .protocol(Protocol::HttpProtobuf)
        .retry_for(Duration::from_secs(1))
        .build()
        .unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("secret").in_scope(|| {});
    });
    let delivery = traces.flush(Duration::from_secs(30));
    assert_eq!(delivery, Delivery { delivered: 1, lost: 0, unknown: 0, complete: true });
}
