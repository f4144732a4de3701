//! What the dashboards show.

/// A dashboard: its file is `<uid>.json`.
pub(crate) struct Dashboard {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    /// Names and defaults of values that a reader may type.
    pub(crate) values: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) rows: &'static [(&'static str, &'static [Panel])],
}

/// A graph, or a number where `width` is at most 6 of 24 columns.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// One of Grafana's units.
    pub(crate) unit: &'static str,
    pub(crate) width: u32,
    /// Expression and legend of each line.
    pub(crate) lines: &'static [(&'static str, &'static str)],
    /// Whether the traces are shown on it as dots.
    pub(crate) exemplars: bool,
}

pub(crate) const DASHBOARDS: [Dashboard; 4] = [
    Dashboard {
        uid: "obs-red",
        title: "obs: rate, errors, duration",
        about: "Requests by service and by route. The dots are traces: a click opens one.",
        values: &[],
        rows: &[
            (
                "Services",
                &[
                    graph("Requests", "reqps", 8, &[(
                        r#"sum by (job) (rate(http_requests_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}}",
                    )])
                    .with_exemplars(),
                    graph("Errors (5xx)", "percentunit", 8, &[(
                        r#"job:http_request_errors:ratio_rate5m{job=~"$job"}"#,
                        "{{job}}",
                    )]),
                    graph("Duration", "s", 8, &[
                        (
                            r#"histogram_quantile(0.99, sum by (job, le) (rate(http_request_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
                            "{{job}} p99",
                        ),
                        (
                            r#"histogram_quantile(0.5, sum by (job, le) (rate(http_request_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))"#,
                            "{{job}} p50",
                        ),
                    ])
                    .with_exemplars(),
                ],
            ),
            (
                "Routes",
                &[
                    graph("Requests", "reqps", 12, &[(
                        r#"topk(20, job_method_path:http_requests:rate5m{job=~"$job"})"#,
                        "{{job}} {{method}} {{path}}",
                    )]),
                    graph("Errors (5xx)", "percentunit", 12, &[(
                        r#"topk(20, job_method_path:http_request_errors:ratio_rate5m{job=~"$job"} > 0) or 0 * job:http_requests:rate5m{job=~"$job"}"#,
                        "{{job}} {{method}} {{path}}",
                    )]),
                    graph("p99", "s", 12, &[(
                        r#"topk(20, histogram_quantile(0.99, sum by (job, method, path, le) (rate(http_request_duration_seconds_bucket{job=~"$job"}[$__rate_interval]))))"#,
                        "{{job}} {{method}} {{path}}",
                    )])
                    .with_exemplars(),
                    graph("Statuses", "reqps", 12, &[(
                        r#"sum by (job, status) (rate(http_requests_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}} {{status}}",
                    )]),
                ],
            ),
            (
                "Errors",
                &[
                    graph("Errors by type", "short", 12, &[(
                        r#"sum by (job, type) (increase(errors_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}} {{type}}",
                    )])
                    .with_exemplars(),
                    graph("Panics", "short", 12, &[(
                        r#"sum by (job) (increase(panics_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}}",
                    )]),
                ],
            ),
        ],
    },
    Dashboard {
        uid: "obs-use",
        title: "obs: utilisation, saturation, errors",
        about: "What requests need: CPU, memory, descriptors, the runtime, connections, dependencies.",
        values: &[],
        rows: &[
            (
                "Process",
                &[
                    graph("CPU", "cores", 8, &[(
                        r#"rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])"#,
                        "{{job}} {{instance}}",
                    )]),
                    graph("Resident memory", "bytes", 8, &[(
                        r#"process_resident_memory_bytes{job=~"$job"}"#,
                        "{{job}} {{instance}}",
                    )]),
                    graph("File descriptors", "percentunit", 8, &[(
                        r#"job_instance:process_fds:ratio{job=~"$job"}"#,
                        "{{job}} {{instance}}",
                    )]),
                    graph("Threads", "short", 12, &[(
                        r#"process_threads{job=~"$job"}"#,
                        "{{job}} {{instance}}",
                    )]),
                    graph("Uptime", "s", 12, &[(
                        r#"time() - process_start_time_seconds{job=~"$job"}"#,
                        "{{job}} {{instance}}",
                    )]),
                ],
            ),
            (
                "Runtime and server",
                &[
                    graph("Requests in progress", "short", 8, &[(
                        r#"http_requests_in_progress{job=~"$job"}"#,
                        "{{job}} {{instance}}",
                    )]),
                    graph("The watchdog: heartbeats and wedged runtimes", "short", 8, &[
                        (
                            r#"rate(health_watchdog_beats_total{job=~"$job"}[$__rate_interval])"#,
                            "{{job}} {{instance}} beats/s",
                        ),
                        (
                            r#"increase(health_wedged_total{job=~"$job"}[$__rate_interval])"#,
                            "{{job}} {{instance}} wedged",
                        ),
                    ]),
                    graph("Connections that a limit closed", "short", 8, &[
                        (
                            r#"sum by (job, reason) (increase(http_server_connections_closed_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} {{reason}}",
                        ),
                        (
                            r#"sum by (job) (increase(http_server_accept_errors_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} not accepted",
                        ),
                    ]),
                ],
            ),
            (
                "Readiness and dependencies",
                &[
                    graph("Ready instances", "short", 8, &[(
                        r#"sum by (job) (health_ready{job=~"$job"})"#,
                        "{{job}}",
                    )]),
                    graph("Checks that are up", "short", 8, &[(
                        r#"sum by (job, check) (health_check_status{job=~"$job"})"#,
                        "{{job}} {{check}}",
                    )]),
                    graph("How long a check takes", "s", 8, &[(
                        r#"max by (job, check) (health_check_duration_seconds{job=~"$job"})"#,
                        "{{job}} {{check}}",
                    )]),
                ],
            ),
        ],
    },
    Dashboard {
        uid: "obs-slo",
        title: "obs: objectives",
        about: "Error budgets of 30 days and how fast they burn. The objectives stand in rules/slo.yaml.",
        values: &[],
        rows: &[(
            "Error budgets",
            &[
                graph("Budget left of 30 days", "percentunit", 6, &[(
                    r#"job_slo:error_budget_left:ratio30d{job=~"$job"}"#,
                    "{{job}} {{slo}}",
                )]),
                graph("Requests outside of the objective, 30 days", "percentunit", 6, &[(
                    r#"job_slo:errors:ratio_rate30d{job=~"$job"}"#,
                    "{{job}} {{slo}}",
                )]),
                graph("Burn rate: 1 uses up the budget in exactly 30 days", "short", 12, &[
                    (
                        r#"job_slo:errors:ratio_rate1h{job=~"$job"} / on (slo) group_left () slo:error_budget:ratio"#,
                        "{{job}} {{slo}} 1h (14.4 pages)",
                    ),
                    (
                        r#"job_slo:errors:ratio_rate6h{job=~"$job"} / on (slo) group_left () slo:error_budget:ratio"#,
                        "{{job}} {{slo}} 6h (6 pages)",
                    ),
                    (
                        r#"job_slo:errors:ratio_rate3d{job=~"$job"} / on (slo) group_left () slo:error_budget:ratio"#,
                        "{{job}} {{slo}} 3d (1 is a ticket)",
                    ),
                ]),
                graph("Budget left of 30 days", "percentunit", 24, &[(
                    r#"job_slo:error_budget_left:ratio30d{job=~"$job"}"#,
                    "{{job}} {{slo}}",
                )]),
            ],
        )],
    },
    Dashboard {
        uid: "obs-bill",
        title: "obs: telemetry's bill and health",
        about: "What logs, traces and metrics cost, and what of them was lost. `obs` counts it where it happens; GET /debug/cost names the lines and spans.",
        values: &[
            ("price_log_gb", "price of a GB of logs", "0.50"),
            ("price_span_gb", "price of a GB of spans", "0.50"),
            ("price_kseries", "price of 1,000 series a month", "8.00"),
        ],
        rows: &[
            (
                "A month at this rate",
                &[
                    graph("Logs", "none", 6, &[(
                        r#"sum(job:obs_log_bytes:rate5m{job=~"$job"}) * 2592000 / 1e9 * $price_log_gb"#,
                        "logs",
                    )]),
                    graph("Spans", "none", 6, &[(
                        r#"sum(job:obs_span_export_bytes:rate5m{job=~"$job"}) * 2592000 / 1e9 * $price_span_gb"#,
                        "spans",
                    )]),
                    graph("Series", "none", 6, &[(
                        r#"sum(job:obs_metrics_series:sum{job=~"$job"}) / 1000 * $price_kseries"#,
                        "series",
                    )]),
                    graph("Instances", "short", 6, &[(r#"count(up{job=~"$job"})"#, "instances")]),
                ],
            ),
            (
                "Volume",
                &[
                    graph("Log bytes", "Bps", 8, &[(
                        r#"job:obs_log_bytes:rate5m{job=~"$job"}"#,
                        "{{job}}",
                    )]),
                    graph("Span bytes", "Bps", 8, &[(
                        r#"job:obs_span_export_bytes:rate5m{job=~"$job"}"#,
                        "{{job}}",
                    )]),
                    graph("Series", "short", 8, &[(
                        r#"job:obs_metrics_series:sum{job=~"$job"}"#,
                        "{{job}}",
                    )]),
                    graph("Log lines by level", "cps", 8, &[(
                        r#"sum by (job, level) (rate(obs_log_lines_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}} {{level}}",
                    )]),
                    graph("Spans", "cps", 8, &[
                        (
                            r#"sum by (job) (rate(obs_spans_exported_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} exported",
                        ),
                        (
                            r#"sum by (job) (rate(obs_spans_sampled_out_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} sampled out",
                        ),
                    ]),
                    graph("Size of a scrape", "bytes", 8, &[(
                        r#"max by (job) (obs_metrics_scrape_size_bytes{job=~"$job"})"#,
                        "{{job}}",
                    )]),
                ],
            ),
            (
                "Lost",
                &[
                    graph("Log lines", "short", 8, &[
                        (
                            r#"sum by (job) (increase(obs_log_lines_dropped_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} dropped",
                        ),
                        (
                            r#"sum by (job) (increase(obs_log_lines_suppressed_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} held back on purpose",
                        ),
                    ]),
                    graph("Spans", "short", 8, &[
                        (
                            r#"sum by (job) (increase(obs_spans_dropped_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} dropped",
                        ),
                        (
                            r#"sum by (job) (increase(obs_span_export_failures_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} failed attempts",
                        ),
                    ]),
                    graph("Error reports", "short", 8, &[(
                        r#"sum by (job, reason) (increase(obs_errors_dropped_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}} {{reason}}",
                    )]),
                    graph("Metrics", "short", 12, &[
                        (
                            r#"sum by (job, metric) (increase(obs_metrics_overflow_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} {{metric}} overflows",
                        ),
                        (
                            r#"sum by (job) (increase(obs_metrics_samples_rejected_total{job=~"$job"}[$__rate_interval]))"#,
                            "{{job}} samples rejected",
                        ),
                        (
                            r#"sum by (job) (increase(obs_metrics_pushes_total{job=~"$job",result="failed"}[$__rate_interval]))"#,
                            "{{job}} pushes failed",
                        ),
                    ]),
                    graph("Panics of the application where the toolkit calls it", "short", 12, &[(
                        r#"sum by (job, place) (increase(obs_application_panics_total{job=~"$job"}[$__rate_interval]))"#,
                        "{{job}} {{place}}",
                    )]),
                ],
            ),
        ],
    },
];

type Lines = &'static [(&'static str, &'static str)];

const fn graph(title: &'static str, unit: &'static str, width: u32, lines: Lines) -> Panel {
    Panel { title, unit, width, lines, exemplars: false }
}

impl Panel {
    const fn with_exemplars(mut self) -> Self {
        self.exemplars = true;
        self
    }
}
