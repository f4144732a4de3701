//! Hashes of field names, and their masks.

const MESSAGE: &[u8] = b".message";

/// In the hash of a name: it is an error's message, and the seven bits below are those of the error's
/// own name.
const IS_MESSAGE: u64 = 1 << 63;

/// Where those seven bits are.
const SHIFT: u32 = 56;

/// The hash of a name, marked if the name is an error's message.
fn marked(plain: u64, name: &[u8]) -> u64 {
    let plain = plain & !(0xff << SHIFT);
    match name.strip_suffix(MESSAGE) {
        Some(error) => plain | IS_MESSAGE | ((hash(error) & 127) << SHIFT),
        None => plain,
    }
}

/// Whether any of the names is an error's message.
pub(super) fn any_error_message(mut hashes: impl Iterator<Item = u64>) -> bool {
    hashes.any(|hash| hash & IS_MESSAGE != 0)
}

pub(super) const fn bit(hash: u64) -> u128 {
    1 << (hash & 127)
}

/// The bits of a name; with those of an error's message, the one of the error.
#[inline]
pub(super) const fn mask_of(hash: u64) -> u128 {
    if hash & IS_MESSAGE == 0 { bit(hash) } else { bit(hash) | bit(hash >> SHIFT) }
}

/// FNV-1a, folded: names are short, and need not be secret. The upper byte marks messages of errors.
pub(super) fn hash(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    marked(hash ^ (hash >> 29), name)
}
