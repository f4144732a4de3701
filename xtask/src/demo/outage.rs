//! The database goes away and comes back: readiness follows, liveness stays.

use std::time::Duration;

use crate::demo::fleet::{Database, Fleet};
use crate::demo::joins::Joins;
use crate::demo::print::Printer;
use crate::error::Failure;
use crate::system::{Answer, Service, program, until};

pub(crate) fn show(fleet: &mut Fleet, printer: &Printer, joins: &mut Joins) -> Result<(), Failure> {
    printer.heading("OUTAGE", "the database of orders goes away, and comes back");
    let lock = take_away(fleet)?;
    printer.step("until readiness follows");
    let down = readiness_becomes(fleet, 503)?;
    let alive = fleet.http.get(&format!("{}/healthz", fleet.admin("orders")))?;
    printer
        .row(&format!("gone:  /readyz {} {}   /healthz {}", down.status, down.body, alive.status));
    joins.same("without its database orders is not ready", 503, down.status);
    joins.same("and stays alive", 200, alive.status);
    joins.holds(
        "the answer names a kind and leaks no text of the error",
        down.json()["checks"].as_object().is_some_and(|checks| {
            let kinds = ["timeout", "refused", "error", "stale"];
            checks.values().all(|kind| kinds.iter().any(|known| kind == known))
        }),
        "one of timeout, refused, error, stale",
        &down.body,
    );
    give_back(fleet, lock)?;
    printer.step("until readiness follows");
    let up = readiness_becomes(fleet, 200)?;
    printer.row(&format!("back:  /readyz {} {}", up.status, up.body));
    joins.same("with its database orders is ready again", 200, up.status);
    Ok(())
}

/// SQLite: another process holds an exclusive lock. PostgreSQL: its connections break, and new ones are
/// refused.
pub(super) fn take_away(fleet: &Fleet) -> Result<Option<Service>, Failure> {
    match &fleet.database {
        Database::Sqlite { url } => {
            let arguments = [url.clone()];
            let mut lock =
                Service::start("lock-database", &program("lock-database")?, &arguments, &[], None)?;
            lock.wait_for_line("holds the lock", |line| (line.text == "locked").then_some(()))?;
            Ok(Some(lock))
        }
        Database::Postgres { proxy } => {
            proxy.cut();
            Ok(None)
        }
    }
}

pub(super) fn give_back(fleet: &Fleet, lock: Option<Service>) -> Result<(), Failure> {
    if let Some(mut lock) = lock {
        lock.close_input();
        lock.wait(Duration::from_secs(60))?;
    }
    if let Database::Postgres { proxy } = &fleet.database {
        proxy.mend();
    }
    Ok(())
}

/// The first answer with this status, or the last one that came.
fn readiness_becomes(fleet: &Fleet, status: u16) -> Result<Answer, Failure> {
    let url = format!("{}/readyz", fleet.admin("orders"));
    let became = until("readiness follows", Duration::from_secs(60), || {
        fleet.http.get(&url).ok().filter(|answer| answer.status == status)
    });
    became.or_else(|_| fleet.http.get(&url))
}
