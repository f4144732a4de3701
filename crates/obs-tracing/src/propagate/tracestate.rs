//! The `tracestate` header (W3C Trace Context level 2, section 3.3).

const MAX_MEMBERS: usize = 32;
const MAX_KEY_BYTES: usize = 256;

/// Collects the members of one or several `tracestate` headers, in their order.
#[derive(Debug, Default)]
pub(crate) struct TraceStateReader {
    text: String,
    members: usize,
    broken: bool,
}

impl TraceStateReader {
    /// Reads one header's value.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for member in value.split(|&byte| byte == b',') {
            let member = trim(member);
            if member.is_empty() {
                continue;
            }
            self.members += 1;
            match std::str::from_utf8(member) {
                Ok(text) if is_member(member) && self.members <= MAX_MEMBERS => {
                    if !self.text.is_empty() {
                        self.text.push(',');
                    }
                    self.text.push_str(text);
                }
                _ => self.broken = true,
            }
        }
    }

    /// All members, joined; empty when there was none, or when one broke the rules: then the
    /// specification lets none pass.
    pub(crate) fn finish(self) -> String {
        if self.broken { String::new() } else { self.text }
    }
}

/// The value of a member, by its key.
pub(crate) fn value<'a>(state: &'a str, key: &str) -> Option<&'a str> {
    state.split(',').find_map(|member| {
        let (known, value) = member.split_once('=')?;
        (known == key).then_some(value)
    })
}

/// The state with this member in front, in place of the one of that key.
pub(crate) fn with(state: &str, key: &str, value: &str) -> String {
    let others = state.split(',').filter(|member| {
        !member.is_empty() && member.split_once('=').is_none_or(|(known, _)| known != key)
    });
    let mut text = format!("{key}={value}");
    for member in others.take(MAX_MEMBERS - 1) {
        text.push(',');
        text.push_str(member);
    }
    text
}

fn is_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|&byte| byte == b'=') else { return false };
    is_key(&member[..equals]) && is_value(&member[equals + 1..])
}

/// The key of Trace Context level 2: a lower-case letter or a digit, then an at sign as well, wherever and
/// however often.
fn is_key(key: &[u8]) -> bool {
    let simple = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match key {
        [first, rest @ ..] if rest.len() < MAX_KEY_BYTES => {
            simple(first) && rest.iter().all(|byte| simple(byte) || b"_-*/@".contains(byte))
        }
        _ => false,
    }
}

fn is_value(value: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    matches!(value.len(), 1..=256) && value.iter().all(allowed) && !value.ends_with(b" ")
}

/// Optional white space, as HTTP has it: spaces and tabs.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
