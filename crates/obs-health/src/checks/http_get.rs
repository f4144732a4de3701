use std::error::Error as StdError;
use std::pin::pin;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use obs_guard::has_valid_port;
use tokio::net::TcpStream;

use crate::check::Check;
use crate::error::{Error, Kind};

impl Check {
    /// A check that sends `GET` to an `http://` URL on a connection of its own: up when the status is
    /// 200 to 399, as Kubernetes sees it. The answer's body is not read.
    ///
    /// # Errors
    ///
    /// When the URL is none, or not `http://`.
    pub fn http_get(name: impl Into<String>, url: &str) -> Result<Self, Error> {
        let wrong =
            |problem| Error::new(Kind::Url { url: url.chars().take(200).collect(), problem });
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("it is not http; for https ask with a client of your own"));
        }
        let Some(host) = uri.host().map(str::to_owned) else { return Err(wrong("it has no host")) };
        if !uri.authority().is_some_and(|authority| has_valid_port(authority.as_str())) {
            return Err(wrong("its port is none from 1 to 65535"));
        }
        let addr = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self::new(name, move || {
            let (addr, path) = (addr.clone(), path.clone());
            async move { get(&addr, &path).await }
        }))
    }
}

async fn get(addr: &str, path: &str) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, addr)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = answer.as_mut() => answer,
        // The connection may end in the same moment in which it hands the answer over.
        _ = connection => answer.await,
    };
    let status = answer?.status();
    if status >= StatusCode::BAD_REQUEST || status < StatusCode::OK {
        return Err(format!("GET was answered {status}").into());
    }
    Ok(())
}
