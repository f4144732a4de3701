//! The story on the terminal: colour only where it is one, and nothing at all with `--json`.

use std::io::IsTerminal;

/// Writes the story.
pub(crate) struct Printer {
    silent: bool,
    colour: bool,
}

impl Printer {
    pub(crate) fn new(silent: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { silent, colour }
    }

    pub(crate) fn title(&self, text: &str) {
        self.line(&self.paint("1", text));
    }

    /// A chapter with its one-line summary.
    pub(crate) fn heading(&self, name: &str, summary: &str) {
        self.line(&format!("\n{}  {summary}", self.paint("1;36", name)));
    }

    /// Something that takes a while has begun.
    pub(crate) fn step(&self, text: &str) {
        self.line(&self.paint("2", &format!("… {text}")));
    }

    pub(crate) fn row(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn line(&self, text: &str) {
        if !self.silent {
            println!("{text}");
        }
    }
}
