//! Actions: requests to this machine that a button of the page makes.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri};
use obs_guard::has_valid_port;
use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, Rejection, ok};
use crate::Error;
use crate::client;

/// The time for one action.
const ACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an action's answer that are shown.
const MAX_SHOWN_BYTES: usize = 4_096;

/// A button of the page: a name, and the request that it makes to a loopback address.
///
/// ```
/// let action: obs_console::Action = "order=POST http://127.0.0.1:8080/orders".parse()?;
/// # Ok::<(), obs_console::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Action {
    name: Arc<str>,
    method: Method,
    url: Uri,
}

#[derive(Serialize)]
struct ListedAction<'a> {
    name: &'a str,
    title: String,
}

impl FromStr for Action {
    type Err = Error;

    /// Reads `NAME=METHOD URL`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |remedy| Error::action(text, remedy);
        let form = "give NAME=METHOD URL, such as order=POST http://127.0.0.1:8080/orders";
        let (name, request) = text.split_once('=').ok_or_else(|| bad(form))?;
        let (method, url) = request.split_once(' ').ok_or_else(|| bad(form))?;
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(usable) {
            return Err(bad("give a name of 1 to 64 letters, digits or any of - _ ."));
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad(form))?;
        let url: Uri = url.trim().parse().map_err(|_| bad(form))?;
        if !client::is_loopback(&url) {
            return Err(bad("give a URL that begins with http:// and names a loopback address"));
        }
        if !url.authority().is_some_and(|authority| has_valid_port(authority.as_str())) {
            return Err(bad("give a port from 1 to 65535"));
        }
        Ok(Self { name: name.into(), method, url })
    }
}

pub(super) fn list(actions: &[Action]) -> Answer {
    let listed = actions.iter().map(|action| ListedAction {
        name: &action.name,
        title: format!("{} {}", action.method, action.url),
    });
    Ok(ok(&listed.collect::<Vec<_>>()))
}

pub(super) async fn run(actions: &[Action], name: &str) -> Answer {
    let Some(action) = actions.iter().find(|action| *action.name == *name) else {
        let reason = "no action has this name: GET /api/actions lists them";
        return Err(Rejection::new(StatusCode::NOT_FOUND, reason));
    };
    let request = Request::builder().method(action.method.clone());
    let (is_ok, text) = match client::send(&action.url, request, MAX_SHOWN_BYTES, ACTION_TIMEOUT)
        .await
    {
        Ok(answer) => {
            let text = String::from_utf8_lossy(&answer.body);
            (answer.status < 400, format!("{} {text}", answer.status))
        }
        Err(client::RequestError::TooLarge) => (true, String::from("an answer of more than 4 KiB")),
        Err(error) => (false, error.to_string()),
    };
    Ok(ok(&json!({ "ok": is_ok, "text": text })))
}
