//! The console and the three services, each a process of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::demo::console::{Console, forward_logs};
use crate::demo::options::Options;
use crate::demo::print::Printer;
use crate::error::{During, Failure};
use crate::system::{Http, Proxy, Service, free_addr, program, until};

/// The services, in the order in which a request meets them.
pub(crate) const NAMES: [&str; 3] = ["gateway", "orders", "payments"];

/// Everything that runs.
pub(crate) struct Fleet {
    pub(crate) http: Http,
    pub(crate) console: Console,
    /// Whether the traces go somewhere else than to the console.
    pub(crate) foreign_collector: bool,
    /// Whether a header is taken out on the way: then not all comes that a healthy run brings.
    pub(crate) is_broken: bool,
    services: Vec<Running>,
    forward: mpsc::Sender<(&'static str, String)>,
    pub(crate) database: Database,
    _header_thief: Option<Proxy>,
    _folder: TempDir,
}

/// What the services store in.
pub(crate) enum Database {
    Sqlite { url: String },
    Postgres { proxy: Proxy },
}

struct Running {
    service: Service,
    url: String,
    admin: String,
    variables: Vec<(&'static str, String)>,
}

impl Running {
    fn start(
        name: &'static str,
        admin: String,
        variables: Vec<(&'static str, String)>,
        forward: &mpsc::Sender<(&'static str, String)>,
    ) -> Result<Self, Failure> {
        let program = program(name)?;
        let mut service = Service::start(name, &program, &[], &variables, Some(forward.clone()))?;
        let addr = service.wait_for_line("listens", |line| {
            let listening = line.json["event"] == "listening";
            listening.then(|| line.json["addr"].as_str().map(str::to_owned)).flatten()
        })?;
        Ok(Self { service, url: format!("http://{addr}"), admin, variables })
    }
}

impl Fleet {
    /// `actions` become the buttons of the console's page.
    pub(crate) fn start(
        options: &Options,
        actions: &[String],
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().during("no temporary folder")?;
        let admins = [free_addr(), free_addr(), free_addr()];
        let console = Console::start(NAMES.into_iter().zip(admins), actions)?;
        printer.row(&format!("{:10} {}", "console", console.url));
        let (database, database_url) = database(options, &folder)?;
        let (forward, lines) = mpsc::channel();
        forward_logs(NAMES, console.clone_client(), lines);

        let endpoint = options.otlp.clone().unwrap_or_else(|| console.otlp_grpc.clone());
        let protocol = options.otlp_protocol.clone().unwrap_or_else(|| "grpc".to_owned());
        let common = |admin: SocketAddr| {
            vec![
                ("BIND", "127.0.0.1:0".to_owned()),
                ("OBS_ADMIN_ADDR", admin.to_string()),
                ("OBS_SHUTDOWN_PROPAGATION", "300ms".to_owned()),
                ("OBS_SHUTDOWN_REQUESTS", "60s".to_owned()),
                ("OBS_GRACE_PERIOD", "90s".to_owned()),
                ("OBS_PROFILING", "on".to_owned()),
                ("OBS_LOG", "info".to_owned()),
                ("OBS_LOG_FORMAT", "json".to_owned()),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.clone()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.clone()),
                ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
                // The console scrapes and reads the lines itself: it would have both twice.
                ("OTEL_METRICS_EXPORTER", "none".to_owned()),
                ("OTEL_LOGS_EXPORTER", "none".to_owned()),
                ("SENTRY_DSN", console.sentry_dsn.clone()),
                ("SENTRY_ENVIRONMENT", "demo".to_owned()),
            ]
        };
        let start = |at: usize, more: Vec<(&'static str, String)>| -> Result<Running, Failure> {
            let variables: Vec<_> = common(admins[at]).into_iter().chain(more).collect();
            let admin = format!("http://{}", admins[at]);
            let running = Running::start(NAMES[at], admin, variables, &forward)?;
            printer.row(&format!("{:10} {}   admin {}", NAMES[at], running.url, running.admin));
            Ok(running)
        };

        let payments = start(2, Vec::new())?;
        let orders = start(
            1,
            vec![
                ("PAYMENTS_URL", payments.url.clone()),
                ("DATABASE_URL", database_url),
                ("CHECK_INTERVAL_MS", "200".to_owned()),
            ],
        )?;
        let (header_thief, orders_url) = match options.broken.as_deref() {
            None => (None, orders.url.clone()),
            Some(header) => {
                let target = orders.url.trim_start_matches("http://");
                let header = if header == "traceparent" { "traceparent" } else { "x-request-id" };
                let proxy = Proxy::start(target, Some(header))?;
                let url = format!("http://{}", proxy.addr());
                (Some(proxy), url)
            }
        };
        let gateway = start(0, vec![("ORDERS_URL", orders_url)])?;
        let fleet = Self {
            http: Http::new(),
            console,
            foreign_collector: options.otlp.is_some(),
            is_broken: options.broken.is_some(),
            services: vec![gateway, orders, payments],
            forward,
            database,
            _header_thief: header_thief,
            _folder: folder,
        };
        fleet.wait_until_ready()?;
        Ok(fleet)
    }

    /// Where the outside world calls.
    pub(crate) fn gateway(&self) -> &str {
        &self.services[0].url
    }

    /// The admin address of a service.
    pub(crate) fn admin(&self, name: &str) -> &str {
        self.running(name).map_or("", |running| &running.admin)
    }

    /// The address of a service.
    pub(crate) fn url(&self, name: &str) -> &str {
        self.running(name).map_or("", |running| &running.url)
    }

    fn running(&self, name: &str) -> Option<&Running> {
        self.services.iter().find(|running| running.service.name == name)
    }

    /// Starts a service that has ended once more, where it was.
    pub(crate) fn restart(&mut self, name: &str) -> Result<(), Failure> {
        if let Some(former) = self.services.iter_mut().find(|it| it.service.name == name) {
            let bind = former.url.trim_start_matches("http://").to_owned();
            let mut variables = former.variables.clone();
            variables.retain(|(name, _)| *name != "BIND");
            variables.push(("BIND", bind));
            let admin = former.admin.clone();
            *former = Running::start(former.service.name, admin, variables, &self.forward)?;
        }
        self.wait_until_ready()
    }

    /// The process of a service.
    pub(crate) fn service(&mut self, name: &str) -> Option<&mut Service> {
        self.services
            .iter_mut()
            .map(|running| &mut running.service)
            .find(|service| service.name == name)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|running| &running.service)
    }

    pub(crate) fn urls(&self) -> Vec<(String, String)> {
        let mut urls = vec![("page".to_owned(), self.console.page.clone())];
        for running in &self.services {
            urls.push((running.service.name.to_owned(), running.url.clone()));
            urls.push(("  admin".to_owned(), running.admin.clone()));
        }
        urls
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        for name in NAMES {
            let url = format!("{}/readyz", self.admin(name));
            until(&format!("{name} is ready"), Duration::from_secs(120), || {
                self.http.get(&url).ok().filter(|answer| answer.status == 200)
            })?;
        }
        Ok(())
    }
}

fn database(options: &Options, folder: &TempDir) -> Result<(Database, String), Failure> {
    let Some(url) = &options.database else {
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("orders.db").display());
        return Ok((Database::Sqlite { url: url.clone() }, url));
    };
    let malformed = || {
        Failure::new(format!("--database {url}: give postgres://user:password@host:port/database"))
    };
    let rest = url.strip_prefix("postgres://").or(url.strip_prefix("postgresql://"));
    let (user, place) = rest.ok_or_else(malformed)?.rsplit_once('@').ok_or_else(malformed)?;
    let (host, name) = place.split_once('/').ok_or_else(malformed)?;
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
    let proxy = Proxy::start(&host, None)?;
    let through = format!("postgres://{user}@{}/{name}", proxy.addr());
    Ok((Database::Postgres { proxy }, through))
}
