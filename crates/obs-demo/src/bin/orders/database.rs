//! The database of orders: SQLite or PostgreSQL, by its URL.

use std::str::FromStr;
use std::time::Duration;

use obs_demo::Failure;
use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};

#[derive(Clone)]
pub(crate) struct Database {
    pool: AnyPool,
    system: &'static str,
}

impl Database {
    /// Connects, and makes the table.
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        sqlx::any::install_default_drivers();
        let system = system(url);
        let options = AnyConnectOptions::from_str(url)?;
        let pool = AnyPoolOptions::new()
            .max_connections(5)
            .acquire_timeout(Duration::from_secs(2))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    // A locked file should be an error while the caller still waits for it.
                    if system == "sqlite" {
                        sqlx::query("PRAGMA busy_timeout = 300").execute(connection).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(|error| format!("the database of DATABASE_URL cannot be opened: {error}; check its path and permissions, or that the server runs"))?;
        sqlx::query("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, status TEXT NOT NULL)")
            .execute(&pool)
            .await
            .map_err(|error| format!("the database of DATABASE_URL cannot be written: {error}; make its file and folder writable"))?;
        Ok(Self { pool, system })
    }

    pub(crate) fn system(&self) -> &'static str {
        self.system
    }

    /// Asks for something that the database must look at its data for.
    pub(crate) async fn ping(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1 FROM orders LIMIT 1").fetch_optional(&self.pool).await.map(drop)
    }

    pub(crate) async fn status(&self, id: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar("SELECT status FROM orders WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    pub(crate) async fn save(&self, id: &str, status: &str) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO orders (id, status) VALUES ($1, $2) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        )
        .bind(id)
        .bind(status)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    pub(crate) async fn ask_for_a_missing_table(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT total FROM reports").fetch_optional(&self.pool).await.map(drop)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// OpenTelemetry's name of what the URL points to.
pub(crate) fn system(url: &str) -> &'static str {
    if url.starts_with("postgres") { "postgresql" } else { "sqlite" }
}
