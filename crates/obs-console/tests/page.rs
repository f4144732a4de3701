//! The page's files: what a browser may run of them, and how much they weigh.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use support::{builder, raw};

/// In all, as they are served.
const MOST_BYTES: usize = 120 * 1024;

fn files() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn nothing_of_it_parses_text_as_html_or_code() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "setHTML",
        "createContextualFragment",
        "DOMParser",
        "srcdoc",
        "javascript:",
        "import(",
        "setAttribute('style'",
    ];
    for (name, text) in files() {
        for word in forbidden {
            assert!(!text.contains(word), "{name} has {word}");
        }
        assert!(
            !text.contains(" style=\"") && !text.contains(" onclick="),
            "{name} has inline style or code"
        );
    }
}

#[test]
fn it_loads_nothing_from_elsewhere() {
    for (name, text) in files() {
        // The namespace of SVG is a name; nobody fetches it.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("https://"), "{name} names another place");
        if name.ends_with(".css") {
            assert!(!text.contains("url(") && !text.contains("@import"), "{name} loads something");
        }
    }
}

#[test]
fn it_weighs_little() {
    let whole: usize = files().iter().map(|(_, text)| text.len()).sum();
    assert!(whole <= MOST_BYTES, "{whole} bytes of at most {MOST_BYTES}");
}

#[test]
fn no_file_is_long_or_unused() {
    let files = files();
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    for (name, text) in &files {
        assert!(text.lines().count() <= 450, "{name} has more than 450 lines");
        let is_named =
            all.contains(&format!("./{name}'")) || all.contains(&format!("/assets/{name}\""));
        assert!(is_named || name == "index.html", "{name} is imported nowhere");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_served_without_a_token_and_may_run_nothing_else() {
    let running = builder().start().await.unwrap();
    let mut served = BTreeSet::new();
    for (name, text) in files() {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/assets/{name}") };
        let sent = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw(running.api(), sent.as_bytes());
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body == text.as_bytes(), "{path} is served as another text");
        let head = answer.head.to_ascii_lowercase();
        for needed in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(head.contains(needed), "{path} lacks {needed}: {head}");
        }
        served.insert(path);
    }
    assert!(served.contains("/assets/main.js"));
    running.shutdown().await;
}
