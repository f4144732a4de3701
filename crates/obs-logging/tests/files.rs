//! Log files: rotation by size and age, retention, and files that others move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::parse;
use obs_logging::{Builder, Delivery, Format, LogFile, Logging, Output, WhenFull};
use tracing::{Dispatch, info};
use tracing_subscriber::layer::SubscriberExt;

const LONG: Duration = Duration::from_secs(60);

fn logging(file: LogFile, delivery: Delivery) -> (Dispatch, Logging) {
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::log_file(file))
        .delivery(delivery)
        .build()
        .unwrap();
    (Dispatch::new(tracing_subscriber::registry().with(layer)), logging)
}

/// The log file's numbers and those of its full files, oldest first.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u64>)> {
    let mut files: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    if let Some(at) = files.iter().position(|file| file == path) {
        let current = files.remove(at);
        files.push(current);
    }
    let numbers = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().map(|line| parse(line)["n"].as_u64().unwrap()).collect()
    };
    files.into_iter().map(|file| (file.clone(), numbers(&file))).collect()
}

#[test]
fn file_keeps_max_bytes_and_whole_lines() {
    let queued = Delivery::NonBlocking { buffer_bytes: 1 << 20, when_full: WhenFull::Block };
    for delivery in [Delivery::Blocking, queued] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let (dispatch, logging) = logging(LogFile::new(&path).max_bytes(2000), delivery);
        tracing::dispatcher::with_default(&dispatch, || {
            (0..100_u64).for_each(|n| info!(n, "line"));
        });
        assert!(logging.shutdown(LONG).complete);
        let files = files(&path);
        assert!(files.len() > 3, "{files:?}");
        for (file, _) in &files {
            assert!(fs::metadata(file).unwrap().len() <= 2000);
        }
        let all: Vec<_> = files.into_iter().flat_map(|(_, numbers)| numbers).collect();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(logging.counts().write_errors, 0);
    }
}

#[test]
fn file_older_than_max_age_is_rotated() {
    for is_opened_anew in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let age = Duration::from_millis(100);
        let (dispatch, _logging) = logging(LogFile::new(&path).max_age(age), Delivery::Blocking);
        tracing::dispatcher::with_default(&dispatch, || {
            info!(n = 1_u64, "line");
            thread::sleep(age * 2);
            if is_opened_anew {
                obs_logging::reopen_files();
            }
            info!(n = 2_u64, "line");
        });
        let numbers: Vec<_> = files(&path).into_iter().map(|(_, numbers)| numbers).collect();
        assert_eq!(numbers, [[1], [2]]);
    }
}

#[test]
fn reopened_file_keeps_max_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let (dispatch, _logging) = logging(LogFile::new(&path).max_bytes(500), Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || {
        for n in 0..20_u64 {
            info!(n, "line");
            obs_logging::reopen_files();
        }
    });
    let files = files(&path);
    assert!(files.iter().all(|(file, _)| fs::metadata(file).unwrap().len() <= 500), "{files:?}");
    let all: Vec<_> = files.into_iter().flat_map(|(_, numbers)| numbers).collect();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

#[test]
fn retention_limits_files_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let by_count = LogFile::new(&path).max_bytes(500).keep_files(3);
    let (dispatch, logging_1) = logging(by_count, Delivery::Blocking);
    fs::write(folder.path().join("app.log.bak"), "{\"n\":0}\n").unwrap();
    tracing::dispatcher::with_default(&dispatch, || (0..100_u64).for_each(|n| info!(n, "line")));
    drop(logging_1);
    let names = |files: Vec<(PathBuf, Vec<u64>)>| files.len();
    assert_eq!(names(files(&path)), 3 + 1 + 1, "three, the current one, and one that is not ours");
    let by_bytes = LogFile::new(&path).max_bytes(500).keep_bytes(1100);
    let (_dispatch, _logging_2) = logging(by_bytes, Delivery::Blocking);
    assert_eq!(names(files(&path)), 2 + 1 + 1, "what an earlier run left counts, too");
}

#[test]
#[cfg(unix)]
fn moved_or_removed_file_is_recreated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let (dispatch, logging) = logging(LogFile::new(&path), Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || {
        info!(n = 1_u64, "line");
        fs::rename(&path, folder.path().join("app.log.1")).unwrap();
        thread::sleep(Duration::from_millis(600));
        info!(n = 2_u64, "line");
        fs::remove_file(&path).unwrap();
        thread::sleep(Duration::from_millis(600));
        info!(n = 3_u64, "line");
    });
    let numbers: Vec<_> = files(&path).into_iter().map(|(_, numbers)| numbers).collect();
    assert_eq!(numbers, [[1], [3]]);
    assert_eq!(logging.counts().dropped, 0);
}

#[test]
fn removed_folder_is_recreated() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("app.log");
    let (dispatch, logging) = logging(LogFile::new(&path).max_bytes(1), Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || {
        info!(n = 1_u64, "line");
        fs::remove_dir_all(&inner).unwrap();
        info!(n = 2_u64, "line");
        info!(n = 3_u64, "line");
    });
    let counts = logging.counts();
    assert_eq!((counts.emitted, counts.written, counts.dropped), (3, 3, 0));
    assert!(fs::read_to_string(&path).unwrap().contains("\"n\":3"));
}

#[test]
fn unopenable_file_is_error_at_build() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let path = file.join("app.log");
    let error = Builder::new()
        .output(Output::file(&path))
        .build::<tracing_subscriber::Registry>()
        .unwrap_err()
        .to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("directory"), "{error}");
}

#[test]
fn writers_of_tracing_appender_are_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let rolling = tracing_appender::rolling::never(folder.path(), "app.log");
    let (writer, guard) = tracing_appender::non_blocking(rolling);
    let (layer, logging) = Builder::new()
        .format(Format::Json)
        .output(Output::writer(writer))
        .delivery(Delivery::Blocking)
        .build()
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || info!(n = 1_u64, "line"));
    drop((logging, guard));
    assert_eq!(files(&folder.path().join("app.log"))[0].1, [1]);
}

#[test]
#[cfg(unix)]
#[allow(unsafe_code, reason = "sends a signal to this process")]
fn hangup_reopens_files_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    obs_logging::reopen_files_on_hangup().unwrap();
    let (dispatch, logging) = logging(LogFile::new(&path), Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || {
        info!(n = 0, "line");
        for n in 1..4_u64 {
            fs::rename(&path, folder.path().join(format!("app.log.{n}"))).unwrap();
            // SAFETY: the signal is handled.
            assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
            info!(n, "line");
        }
    });
    let numbers: Vec<_> = files(&path).into_iter().map(|(_, numbers)| numbers).collect();
    assert_eq!(numbers, [[0], [1], [2], [3]]);
    drop(logging);
}

#[test]
fn failed_removal_of_full_file_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    // A directory under a full file's name, which no removal of a file takes away.
    fs::create_dir(folder.path().join("app.log.20200101T000000.000000Z")).unwrap();
    let file = LogFile::new(&path).max_bytes(200).keep_files(1);
    let (dispatch, logging) = logging(file, Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || (0..20_u64).for_each(|n| info!(n, "line")));
    assert_eq!((logging.counts().written, logging.counts().dropped), (20, 0));
    let mut failed = 0.0;
    logging.source().collect(&mut |sample| {
        if sample.name == "obs_log_removals_failed_total" {
            failed = sample.value;
        }
    });
    assert!(failed >= 1.0, "{failed}");
}

#[test]
fn failed_rename_in_rotation_keeps_old_file() {
    let folder = tempfile::tempdir().unwrap();
    // The full file's name is longer than a file system allows, the file's own is not.
    let path = folder.path().join("a".repeat(250));
    let (dispatch, logging) = logging(LogFile::new(&path).max_bytes(200), Delivery::Blocking);
    tracing::dispatcher::with_default(&dispatch, || (0..50_u64).for_each(|n| info!(n, "line")));
    assert_eq!((logging.counts().written, logging.counts().dropped), (50, 0));
    assert_eq!(files(&path)[0].1, (0..50).collect::<Vec<_>>());
    let mut failed = 0.0;
    logging.source().collect(&mut |sample| {
        if sample.name == "obs_log_rotations_failed_total" {
            failed = sample.value;
        }
    });
    assert!(failed >= 1.0);
}
