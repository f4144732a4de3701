//! The page's files: what a browser may run of them, and how much they weigh.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use support::{builder, raw};

/// In all, as they are served.
const MAX_PAGE_BYTES: usize = 120 * 1024;

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
fn page_never_parses_text_as_html_or_code() {
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
fn page_loads_nothing_from_other_origins() {
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
fn page_stays_within_size_limit() {
    let whole: usize = files().iter().map(|(_, text)| text.len()).sum();
    assert!(whole <= MAX_PAGE_BYTES, "{whole} bytes of at most {MAX_PAGE_BYTES}");
}

#[test]
fn page_files_are_short_and_imported() {
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
async fn page_files_are_served_without_token_and_with_strict_csp() {
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
