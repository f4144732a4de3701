//! The live view on a terminal.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use crate::signals::Signals;
use crate::top::source::{Source, Update};
use crate::top::tally::{Order, Tally};
use crate::top::view::{self, Choice};

/// How late a key may be answered.
const ALERT: Duration = Duration::from_millis(50);

pub(crate) fn run(mut source: Source, signals: &Signals) -> io::Result<()> {
    // Panics restore the terminal, too.
    let mut terminal = ratatui::try_init()?;
    let ended = go_on(&mut terminal, &mut source, signals);
    // Shows the cursor again.
    drop(terminal);
    let restored = ratatui::try_restore();
    if ended? {
        eprintln!("process {} has ended", source.status.pid);
    }
    restored
}

/// Until its user has had enough; whether the process has ended before.
fn go_on(
    terminal: &mut DefaultTerminal,
    source: &mut Source,
    signals: &Signals,
) -> io::Result<bool> {
    let mut choice = Choice { order: Order::OwnShare, is_paused: false, scrolled: 0 };
    let mut shown = source.status.clone();
    terminal.draw(|frame| view::draw(frame, &shown, choice))?;
    while signals.interrupts() + signals.terminations() == 0 {
        let news = source.poll(ALERT);
        let mut is_stale = news == Update::View && !choice.is_paused;
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if !key.is_release() => match action(key) {
                    Some(Action::Quit) => return Ok(false),
                    Some(Action::Reset) => {
                        source.status.tally = Tally::default();
                        shown = source.status.clone();
                    }
                    Some(action) => {
                        choice = chosen(choice, action);
                        choice.scrolled = choice.scrolled.min(shown.tally.functions());
                    }
                    None => continue,
                },
                Event::Resize(..) => {}
                _ => continue,
            }
            is_stale = true;
        }
        if news == Update::End {
            return Ok(true);
        }
        if is_stale {
            if !choice.is_paused {
                shown = source.status.clone();
            }
            terminal.draw(|frame| view::draw(frame, &shown, choice))?;
        }
    }
    Ok(false)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Sort(Order),
    Scroll(isize),
    ToTheTop,
    Pause,
    Reset,
    Quit,
}

fn action(key: KeyEvent) -> Option<Action> {
    Some(match key.code {
        // The terminal does not turn it into a signal now.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char('o') => Action::Sort(Order::OwnShare),
        KeyCode::Char('t') => Action::Sort(Order::TotalShare),
        KeyCode::Char('O') => Action::Sort(Order::OwnTime),
        KeyCode::Char('T') => Action::Sort(Order::TotalTime),
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Char('r') => Action::Reset,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown => Action::Scroll(20),
        KeyCode::PageUp => Action::Scroll(-20),
        KeyCode::Home => Action::ToTheTop,
        _ => return None,
    })
}

fn chosen(choice: Choice, action: Action) -> Choice {
    match action {
        Action::Sort(order) => Choice { order, scrolled: 0, ..choice },
        Action::Scroll(by) => {
            Choice { scrolled: choice.scrolled.saturating_add_signed(by), ..choice }
        }
        Action::ToTheTop => Choice { scrolled: 0, ..choice },
        Action::Pause => Choice { is_paused: !choice.is_paused, ..choice },
        Action::Reset | Action::Quit => choice,
    }
}
