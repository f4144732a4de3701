//! Trace and span ids, as W3C Trace Context and OpenTelemetry define them.

use std::fmt;
use std::str::FromStr;

use crate::random_u64;

/// The 128-bit id that all spans of one request share, over all services.
///
/// Zero is not a valid id (W3C Trace Context, section 3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceId(u128);

/// The 64-bit id of one span. Zero is not a valid id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpanId(u64);

macro_rules! id {
    ($name:ident, $int:ty, $digits:literal, $what:literal) => {
        impl $name {
            /// The id that means "none".
            pub const INVALID: Self = Self(0);

            /// The id with this value, big-endian on the wire.
            pub const fn new(value: $int) -> Self {
                Self(value)
            }

            /// The id's value.
            pub const fn get(self) -> $int {
                self.0
            }

            /// Whether the id is not zero.
            pub const fn is_valid(self) -> bool {
                self.0 != 0
            }

            #[doc = concat!("The ", $digits, " lower-case hexadecimal digits, without allocation.")]
            #[inline]
            pub const fn hex(self) -> [u8; $digits] {
                let mut text = [0; $digits];
                let mut at = 0;
                while at < $digits {
                    let digits = hex_digits((self.0 >> (($digits - at) * 4 - 32)) as u32);
                    let mut digit = 0;
                    while digit < 8 {
                        text[at + digit] = digits[digit];
                        digit += 1;
                    }
                    at += 8;
                }
                text
            }

            #[doc = concat!("Reads exactly ", $digits, " lower-case hexadecimal digits; `None` for anything else.")]
            ///
            /// Zero is read as [`Self::INVALID`]: whether it is acceptable is the caller's rule.
            #[inline]
            pub fn from_hex(text: &[u8]) -> Option<Self> {
                if text.len() != $digits {
                    return None;
                }
                let mut value = 0;
                for &byte in text {
                    let digit = match byte {
                        b'0'..=b'9' => byte - b'0',
                        b'a'..=b'f' => byte - b'a' + 10,
                        _ => return None,
                    };
                    value = (value << 4) | <$int>::from(digit);
                }
                Some(Self(value))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = $digits)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Self::from_hex(text.as_bytes()).ok_or(ParseIdError { what: $what, digits: $digits })
            }
        }
    };
}

/// All eight at once: a nibble for each byte, then what makes it a digit or a letter.
#[inline]
const fn hex_digits(value: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let nibbles = value as u64;
    let nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF;
    let nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF;
    let nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = ((nibbles + 6 * EACH) >> 4) & EACH;
    (nibbles + EACH * b'0' as u64 + letters * (b'a' - b'9' - 1) as u64).to_be_bytes()
}

id!(TraceId, u128, 32, "trace id");
id!(SpanId, u64, 16, "span id");

impl TraceId {
    /// A new id; all of its bits are random (W3C Trace Context level 2, the `random` flag).
    #[inline]
    pub fn random() -> Self {
        Self((u128::from(random_u64()) << 64 | u128::from(random_u64())).max(1))
    }
}

impl SpanId {
    /// A new random id.
    #[inline]
    pub fn random() -> Self {
        Self(random_u64().max(1))
    }
}

/// The text is not a valid id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError {
    what: &'static str,
    digits: usize,
}

/// The sentence of its `Display`: what `main` prints of an error that it returns.
impl fmt::Debug for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {}: give {} lower-case hexadecimal digits", self.what, self.digits)
    }
}

impl std::error::Error for ParseIdError {}
