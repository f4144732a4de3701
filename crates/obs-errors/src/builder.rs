//! The builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::core::{Core, Counts, SpansFn};
use crate::place::RateLimit;
use crate::queue::Queue;
use crate::report::{Report, SpanSoFar};
use crate::scrub::Scrubber;
use crate::sink::Sink;
use crate::worker::{BeforeSend, Worker};
use crate::{Error, ErrorLayer, Errors};

type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Settings of error tracking. The code counts more than the environment, that more than the default.
#[must_use = "call `build`"]
pub struct Builder {
    service: String,
    #[cfg_attr(not(feature = "sentry"), allow(dead_code))]
    dsn: Option<String>,
    environment_name: Option<String>,
    release: Option<String>,
    server_name: Option<String>,
    sample_rate: Option<f64>,
    breadcrumbs: LevelFilter,
    limit: RateLimit,
    scrub: Scrubber,
    in_app: Vec<String>,
    sink: Option<Box<dyn Sink>>,
    before_send: Option<BeforeSend>,
    spans: Option<SpansFn>,
    lookup: Lookup,
}

impl Builder {
    /// For the service of this name. Without a DSN and without a sink, errors are counted by place, and
    /// nothing is sent.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            dsn: None,
            environment_name: None,
            release: None,
            server_name: None,
            sample_rate: None,
            breadcrumbs: LevelFilter::INFO,
            limit: RateLimit { burst: 10, interval: Duration::from_secs(10) },
            scrub: Scrubber::default(),
            in_app: Vec::new(),
            sink: None,
            before_send: None,
            spans: None,
            lookup: Arc::new(|name: &str| std::env::var(name).ok()),
        }
    }

    /// The DSN of a receiver that speaks Sentry's protocol: `SENTRY_DSN`. An empty one counts as none.
    #[cfg(feature = "sentry")]
    pub fn dsn(mut self, dsn: impl Into<String>) -> Self {
        self.dsn = Some(dsn.into());
        self
    }

    /// `production`, `staging`: `SENTRY_ENVIRONMENT`.
    pub fn environment_name(mut self, name: impl Into<String>) -> Self {
        self.environment_name = Some(name.into());
        self
    }

    /// What is deployed: `SENTRY_RELEASE`. [`release!`](crate::release) gives the package's name and version.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.release = Some(release.into());
        self
    }

    /// The machine's or the pod's name. Default: the host name.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The share of errors that is reported, from 0 to 1: `SENTRY_SAMPLE_RATE`. Default: 1.
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = Some(rate);
        self
    }

    /// The lowest level of events that are kept as breadcrumbs. Default: INFO.
    pub fn breadcrumbs(mut self, level: LevelFilter) -> Self {
        self.breadcrumbs = level;
        self
    }

    /// How many errors of one place are reported at once, and the time after which one more is. Default: 10, and
    /// 10 s. The others are counted.
    pub fn limit(mut self, burst: u32, interval: Duration) -> Self {
        self.limit = RateLimit { burst: burst.max(1), interval };
        self
    }

    /// More names of fields whose values are redacted, at any depth: as `redact` of the logs.
    pub fn redact<Name: AsRef<str>>(mut self, names: impl IntoIterator<Item = Name>) -> Self {
        self.scrub.add(names);
        self
    }

    /// More crates that count as the application's own in stacks. Those of the workspace are found by where their
    /// sources lie.
    pub fn in_app<Name: Into<String>>(mut self, crates: impl IntoIterator<Item = Name>) -> Self {
        self.in_app.extend(crates.into_iter().map(Into::into));
        self
    }

    /// Sends reports to this sink instead of Sentry.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Changes each report before it is sent; `false` discards it. It runs off the request's thread; a panic
    /// discards the report.
    pub fn before_send(
        mut self,
        before_send: impl FnMut(&mut Report) -> bool + Send + 'static,
    ) -> Self {
        self.before_send = Some(Box::new(before_send));
        self
    }

    /// Returns the spans that the calling thread is in, the outermost first. Without it the layer reports their
    /// names only.
    pub fn spans(mut self, spans: impl Fn() -> Vec<SpanSoFar> + Send + Sync + 'static) -> Self {
        self.spans = Some(Box::new(spans));
        self
    }

    /// Reads the environment's variables through this function.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Arc::new(lookup);
        self
    }

    /// Builds the layer and the handle, and starts the reporting thread where there is a sink.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or the thread cannot be started.
    pub fn build(mut self) -> Result<(ErrorLayer, Errors), Error> {
        let sample_rate = self.resolve_sample_rate()?;
        let sink = match self.sink.take() {
            Some(sink) => Some(sink),
            None => self.build_sentry()?,
        };
        let queue = match sink {
            None => None,
            Some(sink) => {
                let queue = Arc::new(Queue::new());
                crate::exit::register(&queue);
                let worker = Worker {
                    queue: queue.clone(),
                    sink,
                    scrub: self.scrub,
                    in_app: self.in_app,
                    before_send: self.before_send,
                };
                worker.start().map_err(Error::Thread)?;
                Some(queue)
            }
        };
        let core = Arc::new(Core {
            places: Default::default(),
            requests: Default::default(),
            limit: self.limit,
            sample_rate,
            queue,
            breadcrumbs: self.breadcrumbs,
            spans: self.spans,
            counts: Counts::default(),
            has_panic_hook: false.into(),
        });
        Ok((ErrorLayer::new(core.clone()), Errors { core }))
    }

    fn resolve_sample_rate(&self) -> Result<f64, Error> {
        let given = self.variable("SENTRY_SAMPLE_RATE");
        let given = given.map(|text| text.trim().parse().unwrap_or(f64::NAN));
        let rate = self.sample_rate.or(given);
        match rate {
            None => Ok(1.0),
            Some(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
            Some(_) => Err(Error::Setting {
                name: "SENTRY_SAMPLE_RATE",
                loss: "is no part of a whole".to_owned(),
                remedy: "give a number from 0 to 1, such as 0.25",
            }),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    #[cfg(not(feature = "sentry"))]
    fn build_sentry(&self) -> Result<Option<Box<dyn Sink>>, Error> {
        Ok(None)
    }

    #[cfg(feature = "sentry")]
    fn build_sentry(&mut self) -> Result<Option<Box<dyn Sink>>, Error> {
        use crate::sentry::{Origin, Sentry, dsn};
        use obs_otlp::client::{Client, Proxies};
        let given = self.dsn.take().filter(|dsn| !dsn.trim().is_empty());
        let Some(text) = given.or_else(|| self.variable("SENTRY_DSN")) else { return Ok(None) };
        let dsn = dsn(&text)?;
        let variable = |given: &Option<String>, name| given.clone().or_else(|| self.variable(name));
        let origin = Origin {
            service: self.service.clone(),
            environment: variable(&self.environment_name, "SENTRY_ENVIRONMENT"),
            release: variable(&self.release, "SENTRY_RELEASE"),
            server_name: self.server_name.clone().or_else(host_name),
        };
        let invalid = |error: obs_otlp::Error| Error::Setting {
            name: "SENTRY_DSN",
            loss: error.to_string(),
            remedy: "mend the proxy's variables, or the platform's root certificates",
        };
        let resolver = obs_otlp::Resolver::new(Some(self.lookup.clone()));
        let proxies = Proxies::from_environment(&resolver).map_err(invalid)?;
        let client = Client::builder().proxies(proxies).build().map_err(invalid)?;
        Ok(Some(Box::new(Sentry::new(&dsn, origin, client)?)))
    }
}

#[cfg(feature = "sentry")]
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("service", &self.service).finish_non_exhaustive()
    }
}
