//! A flame graph, drawn by inferno.

use std::io::{self, Write};

use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{Options, from_lines};

use crate::format::folded;
use crate::profile::Profile;

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    let stacks = folded::lines(profile);
    let lines: Vec<String> =
        stacks.iter().map(|(stack, count)| format!("{stack} {count}")).collect();
    let mut options = Options::default();
    options.title = "CPU time".to_owned();
    options.subtitle = Some(subtitle(profile));
    options.count_name = "samples".to_owned();
    // The runtime's own frames would be as loud as the program's: names decide the colour.
    options.colors = Palette::Basic(BasicPalette::Hot);
    options.hash = true;
    if lines.is_empty() {
        // Inferno takes an empty graph for a mistake; a process that slept is none.
        options.subtitle = Some("no thread used the processor".to_owned());
        from_lines(&mut options, ["(idle) 1"], &mut to).map_err(io::Error::other)?;
        return to.flush();
    }
    from_lines(&mut options, lines.iter().map(String::as_str), &mut to)?;
    to.flush()
}

fn subtitle(profile: &Profile) -> String {
    let mut text = format!("{} samples in {:.1} s", profile.total(), profile.lasted.as_secs_f64());
    if profile.truncated() > 0 {
        text += &format!(", {} with truncated stacks", profile.truncated());
    }
    if profile.lost > 0 {
        text += &format!(", {} lost", profile.lost);
    }
    text
}
