//! The page, as files of this program. Nothing secret is in it, so it needs no token.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};

use super::answer::{Answer, Rejection, respond};

/// Own scripts and styles only, no framing, connections to this server only.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file of the page: its path, its type, its text.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/assets/api.js", SCRIPT, include_bytes!("../page/api.js")),
    ("/assets/critical.js", SCRIPT, include_bytes!("../page/critical.js")),
    ("/assets/curl.js", SCRIPT, include_bytes!("../page/curl.js")),
    ("/assets/dom.js", SCRIPT, include_bytes!("../page/dom.js")),
    ("/assets/errorcard.js", SCRIPT, include_bytes!("../page/errorcard.js")),
    ("/assets/errors.js", SCRIPT, include_bytes!("../page/errors.js")),
    ("/assets/filters.js", SCRIPT, include_bytes!("../page/filters.js")),
    ("/assets/flame.js", SCRIPT, include_bytes!("../page/flame.js")),
    ("/assets/format.js", SCRIPT, include_bytes!("../page/format.js")),
    ("/assets/health.js", SCRIPT, include_bytes!("../page/health.js")),
    ("/assets/healthstrip.js", SCRIPT, include_bytes!("../page/healthstrip.js")),
    ("/assets/help.js", SCRIPT, include_bytes!("../page/help.js")),
    ("/", HTML, include_bytes!("../page/index.html")),
    ("/assets/lanes.js", SCRIPT, include_bytes!("../page/lanes.js")),
    ("/assets/list.js", SCRIPT, include_bytes!("../page/list.js")),
    ("/assets/logline.js", SCRIPT, include_bytes!("../page/logline.js")),
    ("/assets/logs.js", SCRIPT, include_bytes!("../page/logs.js")),
    ("/assets/main.js", SCRIPT, include_bytes!("../page/main.js")),
    ("/assets/map.js", SCRIPT, include_bytes!("../page/map.js")),
    ("/assets/metrics.js", SCRIPT, include_bytes!("../page/metrics.js")),
    ("/assets/plot.js", SCRIPT, include_bytes!("../page/plot.js")),
    ("/assets/request.js", SCRIPT, include_bytes!("../page/request.js")),
    ("/assets/requests.js", SCRIPT, include_bytes!("../page/requests.js")),
    ("/assets/route.js", SCRIPT, include_bytes!("../page/route.js")),
    ("/assets/series.js", SCRIPT, include_bytes!("../page/series.js")),
    ("/assets/stats.js", SCRIPT, include_bytes!("../page/stats.js")),
    ("/assets/style.css", CSS, include_bytes!("../page/style.css")),
    ("/assets/tags.js", SCRIPT, include_bytes!("../page/tags.js")),
    ("/assets/waterfall.js", SCRIPT, include_bytes!("../page/waterfall.js")),
];

pub(super) fn answer(path: &str) -> Answer {
    let Some((_, content_type, text)) = FILES.iter().find(|(name, ..)| *name == path) else {
        let reason = "nothing is here: the page is at /, the API below /api/";
        return Err(Rejection::new(StatusCode::NOT_FOUND, reason));
    };
    let mut response = respond(StatusCode::OK, content_type, *text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
