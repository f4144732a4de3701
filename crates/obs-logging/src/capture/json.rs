//! Reads back the lines that this crate writes: one JSON object each.

use super::value::Value;

/// The fields of an object, or `None` where the text is none.
pub(crate) fn object(text: &str) -> Option<Vec<(String, Value)>> {
    Reader(text.trim_end()).object(MAX_DEPTH)
}

/// One value.
pub(crate) fn value(text: &str) -> Option<Value> {
    Reader(text).value(MAX_DEPTH)
}

/// Lists and objects inside one another past this many are not read.
const MAX_DEPTH: usize = 64;

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn take(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// At most `deep` levels.
    fn value(&mut self, deep: usize) -> Option<Value> {
        match self.0.chars().next()? {
            '"' => self.string().map(Value::Text),
            '[' => self.list(deep.checked_sub(1)?),
            '{' => self.object(deep.checked_sub(1)?).map(Value::Map),
            _ => self.bare(),
        }
    }

    fn object(&mut self, deep: usize) -> Option<Vec<(String, Value)>> {
        let mut fields = Vec::new();
        self.take('{')?;
        while self.take('}').is_none() {
            if !fields.is_empty() {
                self.take(',')?;
            }
            let name = self.string()?;
            self.take(':')?;
            fields.push((name, self.value(deep)?));
        }
        Some(fields)
    }

    fn list(&mut self, deep: usize) -> Option<Value> {
        let mut values = Vec::new();
        self.take('[')?;
        while self.take(']').is_none() {
            if !values.is_empty() {
                self.take(',')?;
            }
            values.push(self.value(deep)?);
        }
        Some(Value::List(values))
    }

    fn bare(&mut self) -> Option<Value> {
        let end = self.0.find([',', '}', ']']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Missing),
            _ => match word.parse() {
                Ok(integer) => Some(Value::Integer(integer)),
                Err(_) => word.parse().ok().map(Value::Float),
            },
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            let end = self.0.find(['"', '\\'])?;
            text.push_str(&self.0[..end]);
            self.0 = &self.0[end..];
            if self.take('"').is_some() {
                return Some(text);
            }
            self.take('\\')?;
            text.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let letter = self.0.chars().next()?;
        self.0 = &self.0[letter.len_utf8()..];
        Some(match letter {
            'n' => '\n',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            't' => '\t',
            'u' => {
                let (digits, rest) = self.0.split_at_checked(4)?;
                self.0 = rest;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            other => other,
        })
    }
}
