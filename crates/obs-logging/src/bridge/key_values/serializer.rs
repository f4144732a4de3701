//! From `serde`'s values to JSON.

use std::error::Error;
use std::fmt::{self, Display};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::encode::structure::Structure;
use crate::encode::value;

/// Ends the visit of a value: it is full, or its own code answered an error.
#[derive(Debug)]
pub(super) struct Stopped;

impl Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value was not written to its end")
    }
}

impl Error for Stopped {}

impl serde::ser::Error for Stopped {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Outcome = Result<(), Stopped>;

/// Appends a value to a structure.
pub(super) struct Writer<'s, 'out>(pub(super) &'s mut Structure<'out>);

/// A list or an object that is being written.
pub(super) struct Inside<'s, 'out> {
    structure: &'s mut Structure<'out>,
    /// Whether it was too deep: a mark stands for it.
    is_left_out: bool,
    /// Whether it is the value of an object for its variant.
    is_variant: bool,
}

impl<'s, 'out> Writer<'s, 'out> {
    fn open(self, open: fn(&mut Structure<'out>) -> bool) -> Inside<'s, 'out> {
        let is_left_out = !open(self.0);
        Inside { structure: self.0, is_left_out, is_variant: false }
    }

    fn variant(
        self,
        name: &str,
        open: fn(&mut Structure<'out>) -> bool,
    ) -> Result<Inside<'s, 'out>, Stopped> {
        if !self.0.open_object() {
            return Ok(Inside { structure: self.0, is_left_out: true, is_variant: false });
        }
        if !self.0.name(format_args!("{name}")) {
            return Err(Stopped);
        }
        Ok(Inside { is_variant: true, ..self.open(open) })
    }

    fn short(self, write: impl FnOnce(&mut Vec<u8>)) -> Outcome {
        self.0.short(write);
        Ok(())
    }
}

impl Inside<'_, '_> {
    fn element<T: Serialize + ?Sized>(&mut self, shown: &T) -> Outcome {
        if self.is_left_out {
            return Ok(());
        }
        // Nobody hears of what follows: the visit ends here.
        if !self.structure.element() {
            return Err(Stopped);
        }
        shown.serialize(Writer(self.structure))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, shown: &T) -> Outcome {
        if self.is_left_out {
            return Ok(());
        }
        if !self.structure.name(format_args!("{name}")) {
            return Err(Stopped);
        }
        shown.serialize(Writer(self.structure))
    }

    fn finish(self) -> Outcome {
        if !self.is_left_out {
            self.structure.close();
        }
        if self.is_variant {
            self.structure.close();
        }
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty) => $write:path),+ $(,)?) => {$(
        fn $method(self, number: $type) -> Outcome {
            self.short(|out| $write(out, number.into()))
        }
    )+};
}

impl<'s, 'out> Serializer for Writer<'s, 'out> {
    type Ok = ();
    type Error = Stopped;
    type SerializeSeq = Inside<'s, 'out>;
    type SerializeTuple = Inside<'s, 'out>;
    type SerializeTupleStruct = Inside<'s, 'out>;
    type SerializeTupleVariant = Inside<'s, 'out>;
    type SerializeMap = Inside<'s, 'out>;
    type SerializeStruct = Inside<'s, 'out>;
    type SerializeStructVariant = Inside<'s, 'out>;

    numbers! {
        serialize_bool(bool) => value::boolean,
        serialize_i8(i8) => value::signed,
        serialize_i16(i16) => value::signed,
        serialize_i32(i32) => value::signed,
        serialize_i64(i64) => value::signed,
        serialize_i128(i128) => value::wide_signed,
        serialize_u8(u8) => value::unsigned,
        serialize_u16(u16) => value::unsigned,
        serialize_u32(u32) => value::unsigned,
        serialize_u64(u64) => value::unsigned,
        serialize_u128(u128) => value::wide_unsigned,
        serialize_f32(f32) => value::float,
        serialize_f64(f64) => value::float,
    }

    fn serialize_char(self, letter: char) -> Outcome {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Outcome {
        self.0.text(text);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, shown: &T) -> Outcome {
        self.0.formatted(format_args!("{shown}"));
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Outcome {
        self.0.bytes(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Outcome {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, shown: &T) -> Outcome {
        shown.serialize(self)
    }

    fn serialize_unit(self) -> Outcome {
        self.0.null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Outcome {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        shown: &T,
    ) -> Outcome {
        shown.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        shown: &T,
    ) -> Outcome {
        let mut inside = self.open(Structure::open_object);
        inside.field(variant, shown)?;
        inside.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside<'s, 'out>, Stopped> {
        Ok(self.open(Structure::open_list))
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside<'s, 'out>, Stopped> {
        Ok(self.open(Structure::open_list))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Inside<'s, 'out>, Stopped> {
        Ok(self.open(Structure::open_list))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'s, 'out>, Stopped> {
        self.variant(variant, Structure::open_list)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside<'s, 'out>, Stopped> {
        Ok(self.open(Structure::open_object))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside<'s, 'out>, Stopped> {
        Ok(self.open(Structure::open_object))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inside<'s, 'out>, Stopped> {
        self.variant(variant, Structure::open_object)
    }
}

macro_rules! lists {
    ($($list:ident::$method:ident),+) => {$(
        impl $list for Inside<'_, '_> {
            type Ok = ();
            type Error = Stopped;

            fn $method<T: Serialize + ?Sized>(&mut self, shown: &T) -> Outcome {
                self.element(shown)
            }

            fn end(self) -> Outcome {
                self.finish()
            }
        }
    )+};
}

lists!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! objects {
    ($($object:ident),+) => {$(
        impl $object for Inside<'_, '_> {
            type Ok = ();
            type Error = Stopped;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                shown: &T,
            ) -> Outcome {
                self.field(name, shown)
            }

            fn end(self) -> Outcome {
                self.finish()
            }
        }
    )+};
}

objects!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Inside<'_, '_> {
    type Ok = ();
    type Error = Stopped;

    /// A name is the key's text, or its JSON where that is none.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Outcome {
        if self.is_left_out {
            return Ok(());
        }
        let mut json = Vec::new();
        let mut structure = Structure::new(&mut json);
        let whole = key.serialize(Writer(&mut structure));
        structure.end();
        whole?;
        if self.structure.name_of_json(&json) { Ok(()) } else { Err(Stopped) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, shown: &T) -> Outcome {
        if self.is_left_out {
            return Ok(());
        }
        shown.serialize(Writer(self.structure))
    }

    fn end(self) -> Outcome {
        self.finish()
    }
}
