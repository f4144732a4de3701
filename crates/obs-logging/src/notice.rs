//! Lines of the log about itself.

use std::sync::Arc;

use obs_guard::source_path;
use tracing_core::Level;

use crate::context::fields::{Fields, Key};
use crate::cost::CallsiteCost;
use crate::encode::escape::string;
use crate::encode::head::{head, level_name, opening};
use crate::encode::moment::Moment;
use crate::encode::time::Clock;
use crate::encode::value;
use crate::output::Notice;
use crate::render::{Line, Renderer};

/// Makes the line that tells of dropped ones.
pub(crate) fn of_losses(renderer: Arc<Renderer>, statics: Fields) -> Notice {
    Box::new(move |lost| {
        let mut fields = statics.clone();
        value::unsigned(fields.begin(&Key::new("dropped")), lost);
        warning(&renderer, &fields, b"\"log lines were dropped\"")
    })
}

/// The line that tells of those that a budget has shed, and whose most of them were.
pub(crate) fn of_shed_lines(
    renderer: &Renderer,
    mut fields: Fields,
    bytes_per_second: u64,
    shed: u64,
    loudest: Option<CallsiteCost>,
) -> Vec<u8> {
    value::unsigned(fields.begin(&Key::new("shed")), shed);
    value::unsigned(fields.begin(&Key::new("budget_bytes_per_second")), bytes_per_second);
    if let Some(cost) = loudest {
        let place = cost.file.zip(cost.line);
        let place = place.map(|(file, line)| format!(" {}:{line}", source_path(file)));
        let level = level_name(&cost.level);
        let callsite = format!("{level} {}{}", cost.target, place.unwrap_or_default());
        string(fields.begin(&Key::new("loudest_callsite")), &callsite);
    }
    let message = b"\"the log is past its budget and sheds lines: log less at the loudest call site, or raise the budget\"";
    warning(renderer, &fields, message)
}

fn warning(renderer: &Renderer, fields: &Fields, message: &[u8]) -> Vec<u8> {
    let target = "obs_logging";
    let line = Line {
        time: Moment::now(),
        level: Level::WARN,
        opening: &opening(&head(&Level::WARN, target)),
        target,
        has_own_target: false,
        message,
        ids: None,
    };
    let mut bytes = Vec::new();
    renderer.render(&line, &[fields], &Clock::default(), &mut bytes);
    bytes
}
