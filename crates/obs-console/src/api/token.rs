//! The token of the API.

use std::fmt;
use std::hint::black_box;

use crate::Error;

/// The token of the API. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Option<Box<str>>);

impl Token {
    /// No token: everyone on this machine may ask. Only for an API on a loopback address.
    pub const NONE: Self = Self(None);

    /// A new one of 128 random bits, from the operating system.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(Error::random)?;
        Ok(Self(Some(format!("{:032x}", u128::from_be_bytes(bytes)).into())))
    }

    /// This one: 1 to 256 characters that may stand in an `Authorization` header (RFC 6750, 2.1).
    pub fn new(text: &str) -> Result<Self, Error> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        let usable = (1..=256).contains(&text.len()) && text.as_bytes().iter().all(allowed);
        if usable { Ok(Self(Some(text.into()))) } else { Err(Error::token()) }
    }

    /// Its text; `None` for [`Token::NONE`].
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether `given` is the token, in constant time.
    pub(super) fn accepts(&self, given: Option<&[u8]>) -> bool {
        let Some(token) = &self.0 else { return true };
        let Some(given) = given.filter(|given| given.len() == token.len()) else { return false };
        let different =
            token.bytes().zip(given).fold(0, |different, (one, other)| different | (one ^ other));
        black_box(different) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Token(..)" } else { "Token::NONE" })
    }
}
