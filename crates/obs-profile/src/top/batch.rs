//! Tables as text, as `top -b` prints them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::signals::Signals;
use crate::stdout;
use crate::top::source::{Source, Update};
use crate::top::status::Status;
use crate::top::tally::Order;
use crate::top::view;

const MAX_FUNCTIONS: usize = 20;
const MAX_THREADS: usize = 10;

pub(crate) fn run(mut source: Source, count: u64, signals: &Signals) -> Result<(), String> {
    let mut printed = 0;
    while printed < count && signals.interrupts() + signals.terminations() == 0 {
        let update = source.poll(Duration::from_millis(100));
        if update != Update::None {
            if !stdout::print(&text(&source.status))? {
                break;
            }
            printed += 1;
        }
        if update == Update::End {
            eprintln!("process {} has ended", source.status.pid);
            break;
        }
    }
    Ok(())
}

fn text(status: &Status) -> String {
    let mut text = format!("{}\n\n", view::summary(status));
    let _ = writeln!(text, "{:>6} {:>6} {:>8} {:>8}  FUNCTION", "%OWN", "%TOTAL", "OWN", "TOTAL");
    for row in status.tally.rows(Order::OwnShare).iter().take(MAX_FUNCTIONS) {
        let [own, total, own_time, total_time] = view::figures(row);
        let _ =
            writeln!(text, "{own:>6} {total:>6} {own_time:>8} {total_time:>8}  {}", row.function);
    }
    let _ = writeln!(text, "\n{:>6} {:>8}  THREAD", "%CPU", "TID");
    for thread in status.threads.iter().take(MAX_THREADS) {
        let _ =
            writeln!(text, "{:>6} {:>8}  {}", view::percent(thread.share), thread.tid, thread.name);
    }
    text.push('\n');
    text
}
