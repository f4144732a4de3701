//! A flame graph, drawn by inferno.

use std::collections::HashSet;
use std::io::{self, Write};

use inferno::flamegraph::color::{BasicPalette, Color, Palette, PaletteMap};
use inferno::flamegraph::{Options, from_lines};

use crate::format::folded;
use crate::profile::Profile;

/// What says nothing of the program: grey, where the rest is warm.
const DIMMED: Color = Color { r: 222, g: 222, b: 222 };

pub(super) fn write(profile: &Profile, mut to: impl Write) -> io::Result<()> {
    let stacks = folded::lines(profile);
    let lines: Vec<String> =
        stacks.iter().map(|(stack, count)| format!("{stack} {count}")).collect();
    let mut options = Options::default();
    options.title = "CPU time".to_owned();
    options.subtitle = Some(subtitle(profile));
    options.count_name = "samples".to_owned();
    options.colors = Palette::Basic(BasicPalette::Hot);
    options.hash = true;
    let mut colours = dimmed(profile);
    options.palette_map = Some(&mut colours);
    if lines.is_empty() {
        // Inferno takes an empty graph for a mistake; a process that slept is none.
        options.subtitle = Some("no thread used the processor".to_owned());
        from_lines(&mut options, ["(idle) 1"], &mut to).map_err(io::Error::other)?;
        return to.flush();
    }
    from_lines(&mut options, lines.iter().map(String::as_str), &mut to)?;
    to.flush()
}

/// The async runtime's own functions would be as loud as the program's.
fn dimmed(profile: &Profile) -> PaletteMap {
    let frames = profile.samples.iter().flat_map(|sample| &sample.stack.frames);
    let (runtime, program): (Vec<_>, Vec<_>) = frames.partition(|frame| frame.is_runtime());
    // A name such as `{closure#0}` may be anybody's.
    let program: HashSet<&str> = program.iter().map(|frame| &*frame.function).collect();
    let mut colours = PaletteMap::default();
    for frame in runtime.iter().filter(|frame| !program.contains(&*frame.function)) {
        let name = folded::plain(&frame.function);
        if colours.get(&name).is_none() {
            colours.insert(name, DIMMED);
        }
    }
    colours
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
