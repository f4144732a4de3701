//! The files that a profile can be written as.

mod firefox;
mod flamegraph;
mod folded;
mod pprof;
mod speedscope;

use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Kind};
use crate::inside::heap::HeapProfile;
use crate::profile::Profile;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A flame graph that a browser shows: `.svg`.
    Svg,
    /// What `go tool pprof` and many services read, compressed: `.pb.gz`.
    Pprof,
    /// A line a stack, with its count: `.folded`.
    Folded,
    /// For <https://www.speedscope.app>: `.speedscope.json`.
    Speedscope,
    /// For <https://profiler.firefox.com>: `.firefox.json`.
    Firefox,
}

impl Format {
    /// The format that a file's name ends in.
    ///
    /// # Errors
    ///
    /// When it ends in none of them.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let endings = [
            (".svg", Self::Svg),
            (".pb.gz", Self::Pprof),
            (".folded", Self::Folded),
            (".firefox.json", Self::Firefox),
            (".json", Self::Speedscope),
        ];
        let found = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
        found
            .map(|(_, format)| format)
            .ok_or_else(|| Error::new(Kind::Format { name: name.into_owned() }))
    }
}

/// `svg`, `pprof`, `folded`, `speedscope` or `firefox`.
impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "svg" => Ok(Self::Svg),
            "pprof" => Ok(Self::Pprof),
            "folded" => Ok(Self::Folded),
            "speedscope" => Ok(Self::Speedscope),
            "firefox" => Ok(Self::Firefox),
            _ => Err(Error::new(Kind::Format { name: name.to_owned() })),
        }
    }
}

impl Profile {
    /// Writes the profile.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, format: Format, to: impl Write) -> Result<(), Error> {
        let written = match format {
            Format::Svg => flamegraph::write(self, to),
            Format::Pprof => pprof::write(self, to),
            Format::Folded => folded::write(self, to),
            Format::Speedscope => speedscope::write(self, to),
            Format::Firefox => firefox::write(self, to),
        };
        written.map_err(|source| Error::new(Kind::Write { source }))
    }
}

impl HeapProfile {
    /// Writes it for `go tool pprof`, with Go's four sample types.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_pprof(&self, to: impl Write) -> Result<(), Error> {
        pprof::write_heap(self, to).map_err(|source| Error::new(Kind::Write { source }))
    }
}
