//! The HTTP API: JSON for the page, the demo and the tests.

mod actions;
mod answer;
mod assets;
mod events;
mod guard;
mod query;
mod token;

pub use actions::Action;
pub(crate) use events::Events;
pub use token::Token;

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use obs_context::{RequestId, TraceId};
use serde_json::json;

use crate::document::{ErrorFilter, Filter, LineFilter, SeriesFilter};
use crate::profile::{ProfileQuery, Profiles};
use crate::receive::{ParsedLines, decode_permit, parse_lines, read_body};
use crate::scrape::Scraper;
use crate::store::Store;
use answer::{Answer, Body, Rejection, json_response, ok, parse_filters, require_method};

/// The longest service name in a path.
const MAX_SERVICE_BYTES: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) scraper: Scraper,
    pub(crate) token: Token,
    pub(crate) events: Events,
    pub(crate) profiles: Profiles,
    pub(crate) actions: Arc<[Action]>,
}

impl Api {
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        match self.route(&head, body, local).await {
            Ok(response) => response,
            Err(Rejection { status, reason, header }) => {
                let mut response = json_response(status, &json!({ "error": reason }));
                response.headers_mut().extend(header);
                response
            }
        }
    }

    async fn route(&self, head: &Parts, body: Incoming, local: SocketAddr) -> Answer {
        guard::check_origin(&head.headers, local)?;
        if head.uri.path() == "/healthz" {
            return require_method(head, Method::GET, || Ok(ok(&json!({ "status": "ok" }))));
        }
        let Some(path) = head.uri.path().strip_prefix("/api/") else {
            return require_method(head, Method::GET, || assets::answer(head.uri.path()));
        };
        guard::check_token(head, &self.token)?;
        match path.split_once('/') {
            None if path == "whoami" => require_method(head, Method::GET, || Ok(whoami())),
            None if path == "requests" => self.list(head).await,
            None if path == "errors" => self.errors(head).await,
            None if path == "logs" => self.lines(head).await,
            None if path == "metrics" => self.families(head).await,
            Some(("metrics", "series")) => self.series(head).await,
            None if path == "services" => require_method(head, Method::GET, || Ok(self.services())),
            None if path == "health" => require_method(head, Method::GET, || self.health(head)),
            None if path == "map" => self.map(head).await,
            None if path == "profile" => {
                require_method(head, Method::GET, || Ok(()))?;
                self.profile(head).await
            }
            None if path == "events" => require_method(head, Method::GET, || self.events.listen()),
            None if path == "actions" => {
                require_method(head, Method::GET, || actions::list(&self.actions))
            }
            Some(("actions", name)) => {
                require_method(head, Method::POST, || Ok(()))?;
                actions::run(&self.actions, name).await
            }
            None if path == "stats" => {
                require_method(head, Method::GET, || Ok(ok(&self.store.stats())))
            }
            None if path == "scrape" => {
                require_method(head, Method::POST, || Ok(()))?;
                Ok(ok(&json!({ "services": self.scraper.scrape_all().await })))
            }
            Some(("requests", id)) => self.request(head, id).await,
            Some(("logs", service)) => {
                require_method(head, Method::POST, || Ok(()))?;
                self.ingest_logs(service, head, body).await
            }
            _ => Err(Rejection::new(
                StatusCode::NOT_FOUND,
                "nothing is here: the README of obs-console lists what the API has",
            )),
        }
    }

    async fn list(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let mut filter = Filter::default();
        let known = "q, service, instance, route, status, attr, error, min_ms, max_ms, from_ms, to_ms, before and limit";
        parse_filters(head, known, |name, value| filter.set(name, value))?;
        self.with_store(move |store| Ok(ok(&store.requests(&filter)))).await
    }

    async fn lines(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let mut filter = LineFilter::default();
        let known = "q, level, service, instance, trace_id, span_id, request_id, attr, from_ms, to_ms, before, after and limit";
        parse_filters(head, known, |name, value| filter.set(name, value))?;
        self.with_store(move |store| Ok(ok(&store.lines(&filter)))).await
    }

    async fn errors(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let mut filter = ErrorFilter::default();
        parse_filters(head, "q, service, trace_id and limit", |name, value| {
            filter.set(name, value)
        })?;
        self.with_store(move |store| Ok(ok(&store.error_list(&filter)))).await
    }

    async fn series(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let mut filter = SeriesFilter::default();
        parse_filters(head, "service, family and label", |name, value| filter.set(name, value))?;
        self.with_store(move |store| Ok(ok(&store.series(&filter)))).await
    }

    fn services(&self) -> Response<Body> {
        let mut services = self.store.services();
        for service in &mut services {
            service.admin =
                self.scraper.target_of(&service.name).map(|target| target.admin().to_string());
        }
        ok(&services)
    }

    fn health(&self, head: &Parts) -> Answer {
        let mut service = None;
        parse_filters(head, "service", |name, value| {
            let known = name == "service";
            if known && !value.is_empty() {
                service = Some(value.to_owned());
            }
            Ok(known)
        })?;
        Ok(ok(&self.store.health_changes(service.as_deref())))
    }

    async fn profile(&self, head: &Parts) -> Answer {
        let (mut service, mut query) = (String::new(), ProfileQuery::default());
        parse_filters(head, "service, trace_id, route and seconds", |name, value| {
            match name {
                "service" | "trace_id" | "route" | "seconds" if value.is_empty() => {}
                "service" => value.clone_into(&mut service),
                "trace_id" => query.trace_id = Some(value.into()),
                "route" => query.route = Some(value.into()),
                "seconds" => query.seconds = value.parse().ok(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let Some(target) = self.scraper.target_of(&service) else {
            let reason = "no admin server of this service is known: start the service with obs-console run, or name it with --service";
            return Err(Rejection::new(StatusCode::NOT_FOUND, reason));
        };
        let answer = self.profiles.flame_graph(&self.store, &target, &query).await;
        let graph = answer.map_err(|reason| Rejection::new(StatusCode::BAD_GATEWAY, reason))?;
        Ok(ok(&graph))
    }

    async fn map(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let mut filter = Filter::default();
        parse_filters(head, "from_ms", |name, value| {
            Ok(name == "from_ms" && filter.set(name, value)?)
        })?;
        let from = filter.from_ms.unwrap_or(0.0) * 1e6;
        self.with_store(move |store| Ok(ok(&store.map(from as u64)))).await
    }

    /// By trace id, else by request id.
    async fn request(&self, head: &Parts, id: &str) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        let id = query::decode(id);
        let unknown = || Rejection::new(StatusCode::NOT_FOUND, "no request with this id is known");
        if RequestId::parse(id.as_bytes()).is_none() {
            let reason =
                "not an id: give a trace id (32 lower-case hexadecimal digits) or a request id";
            return Err(Rejection::new(StatusCode::BAD_REQUEST, reason));
        }
        let by_trace = TraceId::from_hex(id.as_bytes()).filter(|id| id.is_valid());
        self.with_store(move |store| {
            if let Some(document) = by_trace.and_then(|id| store.request(id)) {
                return Ok(ok(&document));
            }
            let trace_id = store.trace_of(&id).ok_or_else(unknown)?;
            Ok(ok(&store.request(trace_id).ok_or_else(unknown)?))
        })
        .await
    }

    async fn families(&self, head: &Parts) -> Answer {
        require_method(head, Method::GET, || Ok(()))?;
        self.with_store(|store| Ok(ok(&store.families()))).await
    }

    /// Runs a query on a blocking thread, so that it delays no receiver.
    async fn with_store(&self, query: impl FnOnce(&Store) -> Answer + Send + 'static) -> Answer {
        let store = Arc::clone(&self.store);
        let asked = tokio::task::spawn_blocking(move || query(&store)).await;
        asked.unwrap_or_else(|_| {
            let reason = "the console is ending: start it again";
            Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason))
        })
    }

    async fn ingest_logs(&self, service: &str, head: &Parts, body: Incoming) -> Answer {
        let service = query::decode(service);
        if service.is_empty() || service.len() > MAX_SERVICE_BYTES || service.contains('/') {
            let reason = "the service's name is not usable: give 1 to 128 bytes without /";
            return Err(Rejection::new(StatusCode::BAD_REQUEST, reason));
        }
        let body = read_body(&head.headers, body).await.map_err(|error| {
            self.store.count_bad_request();
            Rejection::new(error.status(), error.reason())
        })?;
        let _permit = decode_permit().await;
        let ParsedLines { lines, text } = parse_lines(&service, &body);
        self.store.count_text_lines(text);
        let taken = self.store.add_logs(lines);
        Ok(ok(&json!({ "accepted": taken.accepted, "rejected": taken.rejected, "text": text })))
    }
}

fn whoami() -> Response<Body> {
    ok(&json!({ "service": "obs-console", "version": env!("CARGO_PKG_VERSION") }))
}
