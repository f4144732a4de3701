//! Reads back the lines that this crate writes: one flat JSON object each.

use super::Value;

/// The fields of an object, or `None` where the text is none.
pub(crate) fn object(text: &str) -> Option<Vec<(String, Value)>> {
    let mut reader = Reader(text.trim_end());
    let mut fields = Vec::new();
    reader.take('{')?;
    while reader.take('}').is_none() {
        if !fields.is_empty() {
            reader.take(',')?;
        }
        let name = reader.string()?;
        reader.take(':')?;
        fields.push((name, reader.value()?));
    }
    Some(fields)
}

/// One value.
pub(super) fn value(text: &str) -> Option<Value> {
    Reader(text).value()
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn take(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn value(&mut self) -> Option<Value> {
        match self.0.chars().next()? {
            '"' => self.string().map(Value::Text),
            '[' => self.list(),
            _ => self.bare(),
        }
    }

    fn list(&mut self) -> Option<Value> {
        let mut values = Vec::new();
        self.take('[')?;
        while self.take(']').is_none() {
            if !values.is_empty() {
                self.take(',')?;
            }
            values.push(self.value()?);
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
