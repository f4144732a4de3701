//! Takes the database away: holds an exclusive lock on a SQLite file until its standard input ends.

use std::process::ExitCode;

use obs_demo::{Failure, exit};
use sqlx::{AnyConnection, Connection};
use tokio::io::AsyncReadExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit("lock-database", lock().await)
}

#[allow(clippy::print_stdout, reason = "the line tells that the lock is held")]
async fn lock() -> Result<(), Failure> {
    let url = std::env::args()
        .nth(1)
        .ok_or("give the database's URL: lock-database sqlite://orders.db")?;
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&url).await?;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await?;
    println!("locked");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    sqlx::query("ROLLBACK").execute(&mut connection).await?;
    Ok(())
}
