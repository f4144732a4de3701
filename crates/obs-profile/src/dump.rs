//! `obs-profile dump`.

use std::process::ExitCode;

use clap::Args;
use obs_profiling::{Dump, Method, Process, dump, dump_tree};
use serde_json::{Value, json};

use crate::stdout;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The process.
    #[arg(short, long)]
    pid: i32,
    /// Stop no thread: those that wait are read as they are, those that run are passed over.
    #[arg(long)]
    nonstop: bool,
    /// Show the async runtime's idle threads, too.
    #[arg(long)]
    all: bool,
    /// The processes that it has started, too, and theirs.
    #[arg(long)]
    subprocesses: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let method = if options.nonstop { Method::Nonstop } else { Method::Stop };
    let text = if options.subprocesses {
        let processes = dump_tree(options.pid, method)?;
        match options.json {
            true => json_of_tree(&processes).to_string() + "\n",
            false => processes.iter().map(|process| text_of(process, options.all)).collect(),
        }
    } else {
        let dump = dump(options.pid, method)?;
        if options.json { json(&dump).to_string() + "\n" } else { text(&dump, options.all) }
    };
    stdout::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text_of(process: &Process, all: bool) -> String {
    let threads = match &process.dump {
        Ok(dump) => text(dump, all),
        Err(error) => format!("    ({error})\n\n"),
    };
    format!("Process {} \"{}\"\n{threads}", process.pid, process.name)
}

fn json_of_tree(processes: &[Process]) -> Value {
    let process = |process: &Process| match &process.dump {
        Ok(dump) => {
            let mut value = json(dump);
            value["name"] = process.name.as_str().into();
            value
        }
        Err(error) => {
            json!({"pid": process.pid, "name": process.name, "error": error.to_string()})
        }
    };
    json!({"processes": processes.iter().map(process).collect::<Vec<_>>()})
}

fn text(dump: &Dump, all: bool) -> String {
    let mut text = String::new();
    let mut idle = 0;
    for thread in &dump.threads {
        if !all && thread.stack.as_ref().is_ok_and(obs_profiling::Stack::is_idle) {
            idle += 1;
            continue;
        }
        text += &format!("{thread}\n");
    }
    if idle > 0 {
        text += &format!("{idle} idle threads of the async runtime; --all shows them\n");
    }
    text
}

fn json(dump: &Dump) -> Value {
    let thread = |thread: &obs_profiling::Thread| {
        let frames = thread.stack.as_ref().ok().map(|stack| {
            let frame = |frame: &obs_profiling::Frame| {
                json!({
                    "function": &*frame.function,
                    "file": frame.place.as_ref().map(|(file, _)| &**file),
                    "line": frame.place.as_ref().map(|(_, line)| line),
                    "module": &*frame.module,
                    "inlined": frame.is_inlined,
                    "address": hexadecimal(frame.address),
                    "file_address": frame.file_address().map(hexadecimal),
                    "build_id": frame.mapping.as_ref().and_then(|mapping| mapping.build_id.as_deref()),
                })
            };
            stack.frames.iter().map(frame).collect::<Vec<_>>()
        });
        json!({
            "tid": thread.tid,
            "name": thread.name,
            "stopped_us": thread.paused_for.as_secs_f64() * 1e6,
            "complete": thread.stack.as_ref().is_ok_and(|stack| stack.is_complete),
            "absent": thread.stack.as_ref().err().map(ToString::to_string),
            "idle": thread.stack.as_ref().is_ok_and(obs_profiling::Stack::is_idle),
            "frames": frames,
        })
    };
    json!({"pid": dump.pid, "threads": dump.threads.iter().map(thread).collect::<Vec<_>>()})
}

/// JSON's numbers are not exact so far.
fn hexadecimal(address: u64) -> String {
    format!("{address:#x}")
}
