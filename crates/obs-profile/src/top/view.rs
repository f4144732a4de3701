//! How a view looks.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table};

use crate::top::status::Status;
use crate::top::tally::{self, Order};

/// What its user has chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) order: Order,
    pub(crate) is_paused: bool,
    /// How many functions are scrolled away.
    pub(crate) scrolled: usize,
}

const KEYS: &str = "o own  t total  O own time  T total time  ↑↓ scroll  p pause  r reset  q quit";
const MAX_THREADS: u16 = 8;

pub(crate) fn draw(frame: &mut Frame<'_>, status: &Status, choice: Choice) {
    let area = frame.area();
    let few = u16::try_from(status.threads.len()).unwrap_or(u16::MAX);
    // The functions come first: a low terminal has no room for the threads.
    let threads = if area.height < 12 { 0 } else { few.min(MAX_THREADS).min(area.height / 4) + 2 };
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(threads),
        Constraint::Length(u16::from(area.height > 3)),
    ]);
    let [head, functions, below, keys] = rows.areas(area);
    let state = if choice.is_paused { " [paused]" } else { "" };
    frame.render_widget(Line::from(summary(status) + state).bold(), head);
    draw_functions(frame, functions, status, choice);
    draw_threads(frame, below, status);
    frame.render_widget(Line::from(KEYS).dim(), keys);
}

/// One line about the whole process.
pub(crate) fn summary(status: &Status) -> String {
    let tally = &status.tally;
    let cpu = status.threads.iter().fold(0.0, |sum, thread| sum + thread.share);
    let mut text = format!(
        "{} ({}): {} % CPU, {} threads; {} Hz, {} samples in {:.1} s, {} in all",
        status.program,
        status.pid,
        percent(cpu),
        status.threads.len(),
        status.rate,
        tally.lately,
        tally.window.as_secs_f64(),
        tally.all,
    );
    for (count, what) in [(tally.truncated, "truncated"), (tally.lost, "lost")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text
}

/// Own and total share in per cent, own and total time.
pub(crate) fn figures(row: &tally::Row) -> [String; 4] {
    let time = |time: Duration| format!("{:.2}s", time.as_secs_f64());
    [percent(row.own_share), percent(row.total_share), time(row.own_time), time(row.total_time)]
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn draw_functions(frame: &mut Frame<'_>, area: Rect, status: &Status, choice: Choice) {
    let columns = [
        ("%OWN", Order::OwnShare),
        ("%TOTAL", Order::TotalShare),
        ("OWN", Order::OwnTime),
        ("TOTAL", Order::TotalTime),
    ];
    let header = columns.map(|(name, order)| {
        let style = if order == choice.order { Modifier::REVERSED } else { Modifier::BOLD };
        Cell::from(Line::from(name).right_aligned()).style(Style::new().add_modifier(style))
    });
    let header = header.into_iter().chain([Cell::from("FUNCTION").bold()]);
    let all = status.tally.rows(choice.order);
    // The last page stays in sight.
    let height = usize::from(area.height.saturating_sub(1));
    let scrolled = choice.scrolled.min(all.len().saturating_sub(height));
    let rows = all.iter().skip(scrolled).take(height).map(|row| {
        let figures = figures(row).map(|figure| Cell::from(Line::from(figure).right_aligned()));
        let cells = figures.into_iter().chain([Cell::from(row.function.as_str())]);
        Row::new(cells).style(if row.is_runtime { Style::new().dim() } else { Style::new() })
    });
    let widths = [6, 6, 8, 8].map(Constraint::Length).into_iter().chain([Constraint::Min(0)]);
    frame.render_widget(Table::new(rows, widths).header(Row::new(header)), area);
}

fn draw_threads(frame: &mut Frame<'_>, area: Rect, status: &Status) {
    let header = [
        Cell::from(Line::from("%CPU").right_aligned()),
        Cell::from(Line::from("TID").right_aligned()),
        Cell::from("THREAD"),
    ];
    let rows = status.threads.iter().take(usize::from(area.height)).map(|thread| {
        Row::new([
            Cell::from(Line::from(percent(thread.share)).right_aligned()),
            Cell::from(Line::from(thread.tid.to_string()).right_aligned()),
            Cell::from(thread.name.as_str()),
        ])
    });
    let widths = [Constraint::Length(6), Constraint::Length(8), Constraint::Min(0)];
    let header = Row::new(header).bold().top_margin(1);
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::top::tally::Tally;
    use crate::top::threads::Thread;

    const CHOICE: Choice = Choice { order: Order::OwnShare, is_paused: false, scrolled: 0 };

    fn status() -> Status {
        let counts = [("parse", 60, 70), ("write", 30, 30), ("main", 0, 100)];
        let thread = |tid: i32| Thread { tid, name: format!("worker-{tid}"), share: 0.5 };
        Status {
            pid: 1234,
            program: "orders".to_owned(),
            rate: 99,
            tally: Tally::of_counts(&counts),
            threads: (1..=30).map(thread).collect(),
        }
    }

    fn drawn(width: u16, height: u16, choice: Choice) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &status(), choice)).expect("a view");
        let buffer = terminal.backend().buffer();
        let rows = buffer.content.chunks(usize::from(width.max(1)));
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
    }

    #[test]
    fn view_lists_functions_threads_and_keys() {
        let lines = drawn(80, 24, CHOICE);
        assert!(
            lines[0].starts_with("orders (1234): 1500.0 % CPU, 30 threads; 99 Hz"),
            "{lines:?}"
        );
        assert_eq!(lines[1].trim_end(), "  %OWN %TOTAL      OWN    TOTAL FUNCTION");
        assert_eq!(lines[2].trim_end(), "  60.0   70.0    0.60s    0.70s parse");
        assert_eq!(lines[3].trim_end(), "  30.0   30.0    0.30s    0.30s write");
        assert!(lines.iter().any(|line| line.trim_end().ends_with("worker-1")), "{lines:?}");
        assert!(lines[23].contains("q quit"), "{lines:?}");
    }

    #[test]
    fn view_follows_chosen_order_and_scroll() {
        let lines = drawn(80, 24, Choice { order: Order::TotalShare, ..CHOICE });
        assert!(lines[2].trim_end().ends_with("main"), "{lines:?}");
        let lines = drawn(80, 4, Choice { scrolled: 2, is_paused: true, ..CHOICE });
        assert!(lines[0].contains("1234") && lines[2].trim_end().ends_with("main"), "{lines:?}");
    }

    #[test]
    fn view_fits_terminal_of_any_size() {
        for width in [0, 1, 2, 3, 5, 8, 13, 40, 200] {
            for height in (0..15).chain([200]) {
                let lines = drawn(width, height, Choice { scrolled: 9, ..CHOICE });
                assert!(lines.len() == usize::from(height) || width == 0);
            }
        }
    }
}
