//! The business of this service: the specification's `process_order`.

use std::fmt;
use std::sync::LazyLock;

use http::{Method, StatusCode};
use obs_all::metrics::CounterVec;
use obs_demo::{Client, ClientError};
use serde_json::{Value, json};

use crate::database::Database;

static PROCESSED: LazyLock<CounterVec<1>> = LazyLock::new(|| {
    obs_all::metrics::counter_vec(
        "orders_processed_total",
        "Orders by their final status.",
        ["status"],
    )
});

/// Validates, charges and saves one order.
#[tracing::instrument(skip_all, fields(order.id = id, order.status))]
pub(crate) async fn process_order(
    database: &Database,
    payments: &Client,
    id: &str,
) -> Result<Value, OrderError> {
    let processed = steps(database, payments, id).await;
    let status = match &processed {
        Ok(()) => "completed",
        Err(OrderError::Declined) => "declined",
        Err(_) => "failed",
    };
    tracing::Span::current().record("order.status", status);
    PROCESSED.with([status]).inc();
    match processed {
        Ok(()) => {
            tracing::info!("order completed");
            Ok(json!({"id": id, "status": status}))
        }
        Err(error) => {
            obs_all::tracing::record_error(&error);
            Err(error)
        }
    }
}

async fn steps(database: &Database, payments: &Client, id: &str) -> Result<(), OrderError> {
    let known = database.status(id).await?;
    tracing::debug!(known = known.as_deref(), "order looked up");
    let (status, _) = payments.call(Method::POST, &format!("/charge/{id}")).await?;
    match status {
        StatusCode::OK => Ok(database.save(id, "completed").await?),
        StatusCode::PAYMENT_REQUIRED => Err(OrderError::Declined),
        status => Err(OrderError::Refused(status)),
    }
}

/// Why an order could not be completed.
#[derive(Debug)]
pub(crate) enum OrderError {
    Declined,
    Refused(StatusCode),
    Payments(ClientError),
    Database(sqlx::Error),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => f.write_str("the card was declined"),
            Self::Refused(status) => write!(f, "payments answered {status}"),
            Self::Payments(_) => f.write_str("payments could not be asked"),
            Self::Database(_) => f.write_str("the order could not be stored"),
        }
    }
}

impl std::error::Error for OrderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payments(source) => Some(source),
            Self::Database(source) => Some(source),
            Self::Declined | Self::Refused(_) => None,
        }
    }
}

impl From<ClientError> for OrderError {
    fn from(source: ClientError) -> Self {
        Self::Payments(source)
    }
}

impl From<sqlx::Error> for OrderError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}
