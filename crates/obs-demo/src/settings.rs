//! What each service reads from its environment, and how it says what is wrong.

use std::error::Error;
use std::process::ExitCode;

use tokio::net::TcpListener;

/// Whatever keeps a service from starting.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The variable's value, or the default.
pub fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Listens on `BIND`, by default on `default`.
///
/// # Errors
///
/// When the address is taken or malformed; the error names it and the variable.
pub async fn listener(default: &str) -> Result<TcpListener, Failure> {
    let addr = setting("BIND", default);
    TcpListener::bind(&addr).await.map_err(|error| {
        format!("cannot listen on {addr}: {error}; set BIND to a free address").into()
    })
}

/// A service's end as an exit code; an error goes to stderr as one sentence.
#[allow(clippy::print_stderr, reason = "an application may, and its logs may not be there yet")]
pub fn exit(service: &str, ended: Result<(), Failure>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: {error}");
            ExitCode::FAILURE
        }
    }
}
