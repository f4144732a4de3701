//! OpenTelemetry's names for the HTTP and database metrics that Prometheus knows by other names.

use crate::descriptor::Descriptor;

/// A metric of the semantic conventions, and whose numbers it shows.
#[derive(Debug)]
pub(super) struct Convention {
    /// As [`crate::http`] and [`crate::db`] register it.
    family: &'static str,
    labels: &'static [Attribute],
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Whether the numbers of several series may be added up: an UpDownCounter, where Prometheus has a gauge.
    pub(super) adds_up: bool,
}

/// A label, and the attribute that it is.
#[derive(Debug)]
pub(super) struct Attribute {
    label: &'static str,
    pub(super) key: &'static str,
    pub(super) is_int: bool,
    /// The value of the label that stands for none, as an empty one does.
    absent: &'static str,
}

const fn attribute(label: &'static str, key: &'static str) -> Attribute {
    Attribute { label, key, is_int: false, absent: "" }
}

const ROUTE: Attribute = Attribute { absent: "<unmatched>", ..attribute("path", "http.route") };

const STATUS: Attribute = Attribute {
    is_int: true,
    ..attribute("http_response_status_code", "http.response.status_code")
};

const CONVENTIONS: [Convention; 5] = [
    Convention {
        family: "http_request_duration_seconds",
        labels: &[attribute("method", "http.request.method"), ROUTE],
        name: "http.server.request.duration",
        unit: "s",
        adds_up: false,
    },
    Convention {
        family: "http_server_request_duration_seconds",
        labels: &[
            attribute("http_request_method", "http.request.method"),
            attribute("url_scheme", "url.scheme"),
            Attribute { label: "http_route", ..ROUTE },
            STATUS,
        ],
        name: "http.server.request.duration",
        unit: "s",
        adds_up: false,
    },
    Convention {
        family: "http_server_active_requests",
        labels: &[],
        name: "http.server.active_requests",
        unit: "{request}",
        adds_up: true,
    },
    Convention {
        family: "http_client_request_duration_seconds",
        labels: &[
            attribute("http_request_method", "http.request.method"),
            attribute("server_address", "server.address"),
            Attribute { is_int: true, ..attribute("server_port", "server.port") },
            STATUS,
            attribute("error_type", "error.type"),
        ],
        name: "http.client.request.duration",
        unit: "s",
        adds_up: false,
    },
    Convention {
        family: "db_client_operation_duration_seconds",
        labels: &[
            attribute("db_system_name", "db.system.name"),
            attribute("db_namespace", "db.namespace"),
            attribute("db_operation_name", "db.operation.name"),
            attribute("db_collection_name", "db.collection.name"),
            attribute("error_type", "error.type"),
        ],
        name: "db.client.operation.duration",
        unit: "s",
        adds_up: false,
    },
];

impl Convention {
    /// Of a family that has its labels: an application may call another metric like that.
    pub(super) fn for_family(family: &Descriptor) -> Option<&'static Self> {
        CONVENTIONS.iter().find(|known| {
            let labels = family.labels.iter().map(|label| &**label);
            known.family == family.unprefixed()
                && labels.eq(known.labels.iter().map(|known| known.label))
        })
    }

    pub(super) fn attribute(&self, label: &str) -> Option<&'static Attribute> {
        self.labels.iter().find(|known| known.label == label)
    }
}

impl Attribute {
    pub(super) fn is_absent(&self, value: &str) -> bool {
        value.is_empty() || self.absent == value
    }
}
