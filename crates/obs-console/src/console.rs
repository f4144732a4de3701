//! Starting and stopping the console.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Error;
use crate::api::{Action, Api, Events, Token};
use crate::profile::Profiles;
use crate::receive::{Grpc, answer_http};
use crate::scrape::{Scraper, Target};
use crate::serve::{Protocol, serve};
use crate::state::Limits;
use crate::store::Store;

/// The development console: [`Console::builder`] starts one.
#[derive(Debug)]
pub struct Console(());

impl Console {
    /// A console with the defaults: OTLP on 127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP), the API
    /// on 127.0.0.1:4320 with a random token, no services to look at.
    pub fn builder() -> ConsoleBuilder {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        ConsoleBuilder {
            otlp_grpc: loopback(4317),
            otlp_http: loopback(4318),
            api: loopback(4320),
            targets: Vec::new(),
            interval: Duration::from_secs(1),
            token: None,
            limits: Limits::default(),
            actions: Vec::new(),
            free_ports: false,
        }
    }
}

/// How a console is to be: made by [`Console::builder`].
#[derive(Clone, Debug)]
#[must_use = "the console runs only after `start`"]
pub struct ConsoleBuilder {
    otlp_grpc: SocketAddr,
    otlp_http: SocketAddr,
    api: SocketAddr,
    targets: Vec<Target>,
    interval: Duration,
    token: Option<Token>,
    limits: Limits,
    actions: Vec<Action>,
    free_ports: bool,
}

impl ConsoleBuilder {
    /// Where OTLP over gRPC is taken; port 0 takes a free one.
    pub fn otlp_grpc(mut self, address: impl Into<SocketAddr>) -> Self {
        self.otlp_grpc = address.into();
        self
    }

    /// Where OTLP over HTTP, and over gRPC as well, and Sentry's envelopes are taken; port 0 takes a free one.
    pub fn otlp_http(mut self, address: impl Into<SocketAddr>) -> Self {
        self.otlp_http = address.into();
        self
    }

    /// Where the API answers; port 0 takes a free one.
    pub fn api(mut self, address: impl Into<SocketAddr>) -> Self {
        self.api = address.into();
        self
    }

    /// The services whose metrics and probes are looked at.
    pub fn scrape(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// Takes a free port in place of each that is in use.
    pub fn free_ports(mut self) -> Self {
        self.free_ports = true;
        self
    }

    /// The buttons of the page.
    pub fn actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// How often they are looked at: every second by default, and not more often than every 100 ms.
    pub fn scrape_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(100));
        self
    }

    /// What the API's callers have to know, in place of a random token.
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// How much is kept.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Binds the three addresses and starts, on the current tokio runtime.
    ///
    /// # Errors
    /// An address that is in use or cannot be bound, an API without token on an address that is not
    /// loopback, and an operating system without random numbers.
    pub async fn start(self) -> Result<Running, Error> {
        let token = self.token.map_or_else(Token::random, Ok)?;
        if token == Token::NONE && !self.api.ip().is_loopback() {
            return Err(Error::open(self.api));
        }
        let (grpc, grpc_address) =
            bind("OTLP over gRPC", "--otlp-grpc", self.otlp_grpc, self.free_ports).await?;
        let (http, http_address) =
            bind("OTLP over HTTP", "--otlp-http", self.otlp_http, self.free_ports).await?;
        let (api, api_address) = bind("its API", "--api", self.api, self.free_ports).await?;

        let store = Arc::new(Store::new(self.limits));
        let scraper = Scraper::new(Arc::clone(&store), self.targets);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();

        let evicted = |store: &Arc<Store>| {
            let store = Arc::clone(store);
            move || store.count_evicted_connection()
        };
        let receiver = Grpc::new(Arc::clone(&store));
        let with_grpc = receiver.clone();
        let answer = move |request, local| receiver.clone().answer(request, local);
        tasks.spawn(serve(grpc, Protocol::Http2, answer, evicted(&store), stopped.clone()));

        // An SDK's exporter is chosen in its code, its endpoint in the environment: this one takes both.
        let receiver = Arc::clone(&store);
        let answer = move |request: Request<Incoming>, local| {
            let (grpc, store) = (with_grpc.clone(), Arc::clone(&receiver));
            async move {
                match Grpc::is_grpc(request.headers()) {
                    true => grpc.answer(request, local).await.map(Either::Left),
                    false => answer_http(store, request, local).await.map(Either::Right),
                }
            }
        };
        tasks.spawn(serve(http, Protocol::Either, answer, evicted(&store), stopped.clone()));

        let questions = Api {
            store: Arc::clone(&store),
            scraper: scraper.clone(),
            token: token.clone(),
            events: Events::new(Arc::clone(&store), stopped.clone()),
            profiles: Profiles::default(),
            actions: self.actions.into(),
        };
        let answer = move |request, local| questions.clone().answer(request, local);
        tasks.spawn(serve(api, Protocol::Http1, answer, evicted(&store), stopped.clone()));

        tasks.spawn(scraper.clone().run(self.interval, stopped));
        Ok(Running {
            otlp_grpc: grpc_address,
            otlp_http: http_address,
            api: api_address,
            token,
            store,
            scraper,
            stop,
            tasks,
        })
    }
}

/// A console that runs until it is shut down or dropped.
#[derive(Debug)]
#[must_use = "the console ends when this is dropped"]
pub struct Running {
    otlp_grpc: SocketAddr,
    otlp_http: SocketAddr,
    api: SocketAddr,
    token: Token,
    store: Arc<Store>,
    scraper: Scraper,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where OTLP over gRPC is taken.
    pub fn otlp_grpc(&self) -> SocketAddr {
        self.otlp_grpc
    }

    /// Where OTLP over HTTP is taken.
    pub fn otlp_http(&self) -> SocketAddr {
        self.otlp_http
    }

    /// Where the page is, with the token: what is opened in a browser.
    pub fn page(&self) -> String {
        let token = self.token.reveal().map(|token| format!("#token={token}")).unwrap_or_default();
        format!("http://{}/{token}", self.api)
    }

    /// What services set `SENTRY_DSN` to, so that the console has their errors.
    pub fn sentry_dsn(&self) -> String {
        format!("http://console@{}/1", self.otlp_http)
    }

    /// Where the API answers.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// What the API's callers have to know.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Looks at this service's metrics and probes too, from now on.
    pub fn watch(&self, target: Target) {
        self.scraper.add(target);
    }

    pub(crate) fn scraper(&self) -> &Scraper {
        &self.scraper
    }

    /// What the console keeps.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Stops listening, lets the requests in progress end for at most a second, and ends.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        self.tasks.join_all().await;
    }
}

async fn bind(
    what: &'static str,
    option: &'static str,
    address: SocketAddr,
    or_free: bool,
) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::bind(what, option, address, source);
    let listener = match TcpListener::bind(address).await {
        Err(error) if or_free && error.kind() == ErrorKind::AddrInUse => {
            TcpListener::bind((address.ip(), 0)).await
        }
        bound => bound,
    };
    let listener = listener.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
