use std::error::Error as StdError;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, Database, Pool};
use tokio::time::timeout;

use crate::check::Check;
use crate::checks::PoolExhausted;

type BoxError = Box<dyn StdError + Send + Sync>;

impl Check {
    /// A check that takes a connection out of the pool and pings the database with it.
    ///
    /// When there is none to be had within half of the check's timeout, it asks the database on a
    /// connection outside the pool: if that is answered, the check is down as `exhausted`, else as what
    /// the database did (`refused`, `timeout`, `error`).
    pub fn sqlx<DB: Database>(name: impl Into<String>, pool: Pool<DB>) -> Self {
        Self::with_timeout(name, move |most| {
            let pool = pool.clone();
            async move { ask(&pool, most).await }
        })
    }
}

async fn ask<DB: Database>(pool: &Pool<DB>, most: Duration) -> Result<(), BoxError> {
    let pooled = async {
        let mut connection = pool.acquire().await?;
        connection.ping().await
    };
    match timeout(most / 2, pooled).await {
        Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => {}
        Ok(answer) => return Ok(answer?),
    }
    // Not dropped at its end but closed: the server should not have to notice.
    let mut alone = pool.connect_options().connect().await?;
    alone.ping().await?;
    let _ = alone.close().await;
    Err(PoolExhausted.into())
}
