//! Compression in memory.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The bytes, compressed fast rather than small.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
