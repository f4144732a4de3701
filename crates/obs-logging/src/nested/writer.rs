//! From `valuable`'s values to JSON.

use valuable::{Fields, NamedValues, Value, Visit};

use crate::encode::escape::string;
use crate::encode::value;

/// Values inside one another past this many are not written.
const DEEPEST: usize = 32;

/// Appends the value; answers whether it did so to the end.
pub(super) fn write(out: &mut Vec<u8>, shown: &Value<'_>) -> bool {
    let mut writer = Writer { out, deep: 0, is_first: true, is_whole: true };
    writer.value(shown);
    writer.is_whole
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    deep: usize,
    /// Whether the list or object that is being written is still empty.
    is_first: bool,
    is_whole: bool,
}

impl Writer<'_> {
    fn value(&mut self, shown: &Value<'_>) {
        let out = &mut *self.out;
        match shown {
            Value::Bool(truth) => value::boolean(out, *truth),
            Value::Char(letter) => string(out, letter.encode_utf8(&mut [0; 4])),
            Value::String(text) => string(out, text),
            Value::F32(number) => value::float(out, f64::from(*number)),
            Value::F64(number) => value::float(out, *number),
            Value::Error(error) => value::formatted(out, format_args!("{error}")),
            Value::Path(path) => string(out, &path.to_string_lossy()),
            Value::Unit => out.extend_from_slice(b"null"),
            Value::Listable(list) => self.inside(b"[]", |inside| list.visit(inside)),
            Value::Mappable(map) => self.inside(b"{}", |inside| map.visit(inside)),
            Value::Tuplable(tuple) if tuple.definition().is_unit() => {
                out.extend_from_slice(b"null");
            }
            Value::Tuplable(tuple) => self.inside(b"[]", |inside| tuple.visit(inside)),
            Value::Structable(fields) => {
                let brackets = brackets(fields.definition().fields());
                self.inside(brackets, |inside| fields.visit(inside));
            }
            Value::Enumerable(choice) => {
                let variant = choice.variant();
                if matches!(variant.fields(), Fields::Unnamed(0)) {
                    return string(out, variant.name());
                }
                self.inside(b"{}", |inside| {
                    inside.name(variant.name());
                    inside.inside(brackets(variant.fields()), |inside| choice.visit(inside));
                });
            }
            other => match integer(other) {
                Some(number) => value::wide_signed(out, number),
                None => value::formatted(out, format_args!("{other:?}")),
            },
        }
    }

    fn inside(&mut self, brackets: &[u8; 2], write: impl FnOnce(&mut Self)) {
        if self.deep == DEEPEST {
            self.is_whole = false;
            return;
        }
        let was_first = std::mem::replace(&mut self.is_first, true);
        self.deep += 1;
        self.out.push(brackets[0]);
        write(self);
        self.out.push(brackets[1]);
        self.deep -= 1;
        self.is_first = was_first;
    }

    fn separate(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.separate();
        string(self.out, name);
        self.out.push(b':');
    }
}

impl Visit for Writer<'_> {
    fn visit_value(&mut self, shown: Value<'_>) {
        self.separate();
        self.value(&shown);
    }

    fn visit_named_fields(&mut self, fields: &NamedValues<'_>) {
        for (field, shown) in fields.iter() {
            self.name(field.name());
            self.value(shown);
        }
    }

    fn visit_unnamed_fields(&mut self, values: &[Value<'_>]) {
        for shown in values {
            self.visit_value(*shown);
        }
    }

    fn visit_entry(&mut self, key: Value<'_>, shown: Value<'_>) {
        match key.as_str() {
            Some(text) => self.name(text),
            None => self.name(&format!("{key:?}")),
        }
        self.value(&shown);
    }
}

fn brackets(fields: &Fields<'_>) -> &'static [u8; 2] {
    if fields.is_named() { b"{}" } else { b"[]" }
}

fn integer(shown: &Value<'_>) -> Option<i128> {
    match shown {
        Value::U128(number) => i128::try_from(*number).ok(),
        other => other
            .as_i128()
            .or_else(|| other.as_u64().map(i128::from))
            .or_else(|| other.as_i64().map(i128::from)),
    }
}
