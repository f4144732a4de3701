//! From `valuable`'s values to JSON.

use valuable::{Fields, NamedValues, Value, Visit};

use crate::encode::structure::Structure;
use crate::encode::value;

/// Appends values to a structure.
pub(super) struct Writer<'a>(pub(super) Structure<'a>);

impl Writer<'_> {
    pub(super) fn value(&mut self, shown: &Value<'_>) {
        let out = &mut self.0;
        match shown {
            Value::Bool(truth) => out.short(|out| value::boolean(out, *truth)),
            Value::Char(letter) => out.text(letter.encode_utf8(&mut [0; 4])),
            Value::String(text) => out.text(text),
            Value::F32(number) => out.short(|out| value::float(out, f64::from(*number))),
            Value::F64(number) => out.short(|out| value::float(out, *number)),
            Value::Error(error) => out.formatted(format_args!("{error}")),
            Value::Path(path) => out.formatted(format_args!("{}", path.display())),
            Value::Unit => out.null(),
            Value::Listable(list) => self.list(|inside| list.visit(inside)),
            Value::Mappable(map) => self.object(|inside| map.visit(inside)),
            Value::Tuplable(tuple) if tuple.definition().is_unit() => out.null(),
            Value::Tuplable(tuple) => self.list(|inside| tuple.visit(inside)),
            Value::Structable(fields) => {
                self.fields(fields.definition().fields(), |inside| fields.visit(inside));
            }
            Value::Enumerable(choice) => {
                let variant = choice.variant();
                if matches!(variant.fields(), Fields::Unnamed(0)) {
                    return out.text(variant.name());
                }
                self.object(|inside| {
                    if inside.0.name(format_args!("{}", variant.name())) {
                        inside.fields(variant.fields(), |inside| choice.visit(inside));
                    }
                });
            }
            other => integer(out, other),
        }
    }

    fn fields(&mut self, fields: &Fields<'_>, write: impl FnOnce(&mut Self)) {
        if fields.is_named() { self.object(write) } else { self.list(write) }
    }

    fn list(&mut self, write: impl FnOnce(&mut Self)) {
        if self.0.open_list() {
            write(self);
            self.0.close();
        }
    }

    fn object(&mut self, write: impl FnOnce(&mut Self)) {
        if self.0.open_object() {
            write(self);
            self.0.close();
        }
    }
}

impl Visit for Writer<'_> {
    fn visit_value(&mut self, shown: Value<'_>) {
        if self.0.element() {
            self.value(&shown);
        }
    }

    fn visit_named_fields(&mut self, fields: &NamedValues<'_>) {
        for (field, shown) in fields.iter() {
            if self.0.name(format_args!("{}", field.name())) {
                self.value(shown);
            }
        }
    }

    fn visit_unnamed_fields(&mut self, values: &[Value<'_>]) {
        for shown in values {
            self.visit_value(*shown);
        }
    }

    fn visit_entry(&mut self, key: Value<'_>, shown: Value<'_>) {
        let is_taken = match key.as_str() {
            Some(text) => self.0.name(format_args!("{text}")),
            None => self.0.name(format_args!("{key:?}")),
        };
        if is_taken {
            self.value(&shown);
        }
    }
}

fn integer(out: &mut Structure<'_>, shown: &Value<'_>) {
    if let Value::U128(number) = shown {
        out.short(|out| value::wide_unsigned(out, *number));
    } else if let Some(number) = shown.as_u64() {
        out.short(|out| value::unsigned(out, number));
    } else if let Some(number) = shown.as_i64().map(i128::from).or_else(|| shown.as_i128()) {
        out.short(|out| value::wide_signed(out, number));
    } else {
        out.formatted(format_args!("{shown:?}"));
    }
}
