//! Resolves the settings once: code over environment over defaults.

use std::fmt::Debug;

use obs_health::ServerLimits;
use obs_health::lifecycle::Deadlines;
use obs_logging::Format;

#[cfg(feature = "errors")]
use crate::config::errors;
use crate::config::{
    Admin, AdminPlace, Config, Explanation, Origin, Preset, Signals, parse, signals,
};
use crate::error::{Error, Kind};
use crate::prices::Prices;

/// The values in force.
pub(crate) struct Settings {
    pub(crate) log_filter: String,
    pub(crate) log_format: Format,
    pub(crate) log_output: String,
    pub(crate) access_log: bool,
    pub(crate) log_budget: Option<u64>,
    pub(crate) series_budget: Option<usize>,
    pub(crate) admin: Admin,
    pub(crate) deadlines: Deadlines,
    pub(crate) server_limits: ServerLimits,
    pub(crate) trusted_proxies: u8,
    pub(crate) watchdog: bool,
    /// `None`: where metrics are pushed.
    pub(crate) query_metrics: Option<bool>,
    #[cfg(feature = "profiling")]
    pub(crate) profiling: bool,
    pub(crate) disabled_checks: Vec<String>,
    pub(crate) prices: Prices,
    #[cfg(feature = "errors")]
    pub(crate) errors: obs_errors::Builder,
    pub(crate) signals: Signals,
    pub(crate) explanation: Explanation,
}

impl Settings {
    pub(crate) fn resolve(config: &Config) -> Result<Self, Error> {
        let service = &config.service;
        if service.is_empty() || service.chars().any(char::is_control) {
            return Err(Error::new(Kind::Service { name: service.clone() }));
        }
        let mut choose = Choose { config, explanation: Explanation::default() };
        signals::service(config, &mut choose.explanation);
        let preset = choose.setting(
            "preset",
            config.preset,
            &["OBS_PRESET"],
            parse::preset,
            Preset::Production,
        )?;
        let development = preset == Preset::Development;
        let mut deadlines =
            if development { Deadlines::development() } else { Deadlines::production() };
        let log_filter = choose.setting(
            "log.filter",
            config.log_filter.clone(),
            &["OBS_LOG", "RUST_LOG"],
            parse::filter,
            "info".to_owned(),
        )?;
        let format = if development { Format::Auto } else { Format::Json };
        let log_format = choose.setting(
            "log.format",
            config.log_format,
            &["OBS_LOG_FORMAT"],
            parse::format,
            format,
        )?;
        let log_output = choose.setting(
            "log.output",
            config.log_output.clone(),
            &["OBS_LOG_OUTPUT"],
            parse::text,
            "stdout".to_owned(),
        )?;
        let access_log = choose.setting(
            "log.access",
            config.access_log,
            &["OBS_ACCESS_LOG"],
            parse::switch,
            development,
        )?;
        let log_budget = choose.setting(
            "log.budget",
            config.log_budget.map(Some),
            &["OBS_LOG_BUDGET"],
            |text| parse::byte_rate(text).map(Some),
            None,
        )?;
        let span_budget = choose.setting(
            "traces.budget",
            config.span_budget.map(Some),
            &["OBS_SPAN_BUDGET"],
            |text| parse::span_budget(text).map(Some),
            None,
        )?;
        let series_budget = choose.setting(
            "metrics.budget",
            config.series_budget.map(Some),
            &["OBS_SERIES_BUDGET"],
            |text| parse::count(text).map(Some),
            None,
        )?;
        let admin_place = choose.setting(
            "admin.addr",
            config.admin_place.clone(),
            &["OBS_ADMIN_ADDR"],
            parse::admin_place,
            AdminPlace::Tcp(obs_health::admin::DEFAULT_ADDR),
        )?;
        let admin_token =
            choose.secret("admin.token", config.admin_token.clone(), "OBS_ADMIN_TOKEN");
        for (name, field, code, variable) in [
            (
                "shutdown.propagation",
                &mut deadlines.propagation,
                config.propagation,
                "OBS_SHUTDOWN_PROPAGATION",
            ),
            (
                "shutdown.requests",
                &mut deadlines.requests,
                config.requests,
                "OBS_SHUTDOWN_REQUESTS",
            ),
            ("shutdown.tasks", &mut deadlines.tasks, config.tasks, "OBS_SHUTDOWN_TASKS"),
            (
                "shutdown.grace_period",
                &mut deadlines.grace_period,
                config.grace_period,
                "OBS_GRACE_PERIOD",
            ),
        ] {
            *field = choose.setting(name, code, &[variable], parse::duration, *field)?;
        }
        let server_limits = choose.server_limits()?;
        let trusted_proxies = choose.setting(
            "server.trusted_proxies",
            config.trusted_proxies,
            &["OBS_TRUSTED_PROXIES"],
            parse::proxies,
            0,
        )?;
        let watchdog = choose.setting(
            "health.watchdog",
            config.watchdog,
            &["OBS_WATCHDOG"],
            parse::switch,
            true,
        )?;
        let query_metrics = choose.setting(
            "metrics.queries",
            config.query_metrics.map(Some),
            &["OBS_QUERY_METRICS"],
            |text| parse::switch(text).map(Some),
            None,
        )?;
        #[cfg(feature = "profiling")]
        let profiling = choose.setting(
            "profiling",
            config.profiling,
            &["OBS_PROFILING"],
            parse::switch,
            false,
        )?;
        let disabled_checks = choose.setting(
            "health.disable",
            config.disabled_checks.clone(),
            &["OBS_HEALTH_DISABLE"],
            parse::names,
            Vec::new(),
        )?;
        let prices = choose.prices()?;
        #[cfg(feature = "errors")]
        let errors = errors::resolve(config, &mut choose.explanation);
        let signals = signals::resolve(config, span_budget, &mut choose.explanation)?;
        Ok(Self {
            log_filter,
            log_format,
            log_output,
            access_log,
            log_budget,
            series_budget,
            admin: Admin { place: admin_place, token: admin_token },
            deadlines,
            server_limits,
            trusted_proxies,
            watchdog,
            query_metrics,
            #[cfg(feature = "profiling")]
            profiling,
            disabled_checks,
            prices,
            #[cfg(feature = "errors")]
            errors,
            signals,
            explanation: choose.explanation,
        })
    }
}

impl Config {
    /// Every value in force and where it comes from, without starting anything.
    ///
    /// # Errors
    ///
    /// When a value of the environment is wrong; the error names the variable.
    pub fn explain(&self) -> Result<Explanation, Error> {
        let settings = Settings::resolve(self)?;
        let mut explanation = settings.explanation;
        let traces = settings.signals.traces.settings().map_err(Error::part("traces"))?;
        explanation.extend("traces", &traces);
        Ok(explanation)
    }
}

struct Choose<'a> {
    config: &'a Config,
    explanation: Explanation,
}

impl Choose<'_> {
    /// The variables are asked in their order; the first that is set decides.
    fn setting<T: Debug>(
        &mut self,
        name: &str,
        code: Option<T>,
        variables: &[&'static str],
        parse: fn(&str) -> Result<T, String>,
        default: T,
    ) -> Result<T, Error> {
        let (value, origin) = match (code, self.variable(variables)) {
            (Some(value), _) => (value, Origin::Code),
            (None, Some((variable, text))) => match parse(&text) {
                Ok(value) => (value, Origin::Environment(variable.into())),
                Err(problem) => {
                    return Err(Error::new(Kind::Variable {
                        name: variable.to_owned(),
                        value: text,
                        problem,
                    }));
                }
            },
            (None, None) => (default, Origin::Default),
        };
        self.explanation.push(name, format!("{value:?}"), origin);
        Ok(value)
    }

    fn server_limits(&mut self) -> Result<ServerLimits, Error> {
        let code = self.config.server_limits;
        let mut limits = code.unwrap_or_default();
        limits.connections = self.setting(
            "server.connections",
            code.map(|limits| limits.connections),
            &["OBS_SERVER_CONNECTIONS"],
            parse::count,
            limits.connections,
        )?;
        for (name, field, variable) in [
            ("server.header_timeout", &mut limits.header_read_timeout, "OBS_SERVER_HEADER_TIMEOUT"),
            ("server.body_timeout", &mut limits.body_read_timeout, "OBS_SERVER_BODY_TIMEOUT"),
            ("server.write_timeout", &mut limits.write_timeout, "OBS_SERVER_WRITE_TIMEOUT"),
            ("server.idle_timeout", &mut limits.idle_timeout, "OBS_SERVER_IDLE_TIMEOUT"),
            ("server.connection_age", &mut limits.connection_age, "OBS_SERVER_CONNECTION_AGE"),
        ] {
            let value = code.map(|_| *field);
            *field = self.setting(name, value, &[variable], parse::timeout, *field)?;
        }
        for (name, field, variable) in [
            ("server.min_body_rate", &mut limits.min_body_rate, "OBS_SERVER_MIN_BODY_RATE"),
            ("server.min_write_rate", &mut limits.min_write_rate, "OBS_SERVER_MIN_WRITE_RATE"),
        ] {
            let value = code.map(|_| *field);
            *field = self.setting(name, value, &[variable], parse::rate, *field)?;
        }
        Ok(limits)
    }

    fn prices(&mut self) -> Result<Prices, Error> {
        let mut prices = Prices::default();
        for (name, field, variable) in [
            ("price.logs_gb", &mut prices.logs_gb, "OBS_PRICE_LOGS_GB"),
            ("price.spans_gb", &mut prices.spans_gb, "OBS_PRICE_SPANS_GB"),
            ("price.series", &mut prices.series, "OBS_PRICE_SERIES"),
        ] {
            *field = self.setting(name, None, &[variable], parse::price, None)?;
        }
        let instances = &["OBS_PRICE_INSTANCES"];
        prices.instances =
            self.setting("price.instances", None, instances, parse::instances, None)?;
        Ok(prices)
    }

    fn secret(
        &mut self,
        name: &str,
        code: Option<String>,
        variable: &'static str,
    ) -> Option<String> {
        let (value, origin) = match (code, (self.config.environment)(variable)) {
            (Some(value), _) => (Some(value), Origin::Code),
            (None, Some(value)) => (Some(value), Origin::Environment(variable.into())),
            (None, None) => (None, Origin::Default),
        };
        let shown = if value.is_some() { "***" } else { "none" };
        self.explanation.push(name, shown, origin);
        value
    }

    fn variable(&self, variables: &[&'static str]) -> Option<(&'static str, String)> {
        variables.iter().find_map(|name| Some((*name, (self.config.environment)(name)?)))
    }
}
