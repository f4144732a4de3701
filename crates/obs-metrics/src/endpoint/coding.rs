//! Compressed answers.

use bytes::Bytes;

use crate::expose::coding_quality;

/// How an answer's body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Coding {
    /// The supported coding that `Accept-Encoding` prefers; of equals the cheaper one.
    pub(super) fn negotiate(accept: &str) -> Self {
        let codings: &[Self] = &[
            #[cfg(feature = "zstd")]
            Self::Zstd,
            #[cfg(feature = "gzip")]
            Self::Gzip,
        ];
        let mut best = (0, Self::Identity);
        for coding in codings {
            let quality = coding_quality(accept, coding.name());
            if quality > best.0 {
                best = (quality, *coding);
            }
        }
        best.1
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// The coded body, or `None` where it is sent as it is, because that was asked for or the compression
    /// failed.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        allow(unused_variables, reason = "nothing is coded")
    )]
    pub(super) fn compress(self, text: &[u8]) -> Option<Bytes> {
        match self {
            Self::Identity => None,
            #[cfg(feature = "gzip")]
            Self::Gzip => Some(crate::gzip::compress(text).into()),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::bulk::compress(text, 1).ok().map(Bytes::from),
        }
    }
}

#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod tests {
    use super::*;

    #[test]
    fn coding_of_highest_quality_wins_and_zstd_of_equals() {
        assert_eq!(Coding::negotiate("gzip, zstd"), Coding::Zstd);
        assert_eq!(Coding::negotiate("gzip;q=0.9, zstd;q=0.5"), Coding::Gzip);
        assert_eq!(Coding::negotiate("gzip, zstd;q=0"), Coding::Gzip);
        assert_eq!(Coding::negotiate("br"), Coding::Identity);
        assert_eq!(Coding::negotiate(""), Coding::Identity);
    }
}
