//! The HTTP client of one service for another: hyper's, with obs's layer around it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use obs_all::{ClientLayer, Obs};
use serde_json::Value;
use tower::{Layer, ServiceExt};

type Hyper = legacy::Client<HttpConnector, Full<Bytes>>;
type Instrumented = <ClientLayer as Layer<Hyper>>::Service;

/// Calls one service.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: Instrumented,
}

impl Client {
    /// A client of the service at `base`, such as `http://127.0.0.1:8002`.
    pub fn new(obs: &Obs, base: impl Into<String>) -> Self {
        // Services close connections after 10 s without a request: a client must be sooner, or it sends one
        // into a connection that is just being closed.
        let http: Hyper = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .build_http();
        Self { base: base.into(), http: obs.client(http) }
    }

    /// Sends a request without a body and reads the JSON answer, for at most a minute.
    ///
    /// # Errors
    ///
    /// When the service cannot be reached, takes too long, or answers something that is no JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, Value), ClientError> {
        self.send(method, path, Bytes::new()).await
    }

    /// Posts a JSON body, as [`Client::call`] otherwise.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<(StatusCode, Value), ClientError> {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Value), ClientError> {
        let uri = format!("{}{path}", self.base);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ClientError {
            uri: uri.clone(),
            source,
        };
        let mut request = Request::builder().method(method).uri(&uri);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| failed(error.into()))?;
        let exchange = async {
            let response = self.http.clone().oneshot(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
            Ok((status, body))
        };
        let answered = tokio::time::timeout(Duration::from_secs(60), exchange).await;
        answered.map_err(|late| failed(late.into()))?.map_err(failed)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A call that had no usable answer.
#[derive(Debug)]
pub struct ClientError {
    uri: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no usable answer from {}", self.uri)
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
