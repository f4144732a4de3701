//! What a process has mapped where: `/proc/PID/maps`.

use std::borrow::Borrow;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use crate::error::{Error, Kind};

/// One mapping of executable code, or of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) range: Range<u64>,
    pub(crate) executable: bool,
    /// Where in its file it begins.
    pub(crate) offset: u64,
    /// Major and minor number of the file system's device.
    pub(crate) device: (u32, u32),
    /// 0 for memory without a file.
    pub(crate) inode: u64,
    /// As in `/proc/PID/maps`: a path, `[vdso]`, `[stack]`, or nothing. Ends in ` (deleted)` for a file
    /// that is gone.
    pub(crate) path: String,
}

pub(crate) fn of(pid: i32) -> Result<Vec<Mapping>, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/maps"));
    let text =
        fs::read_to_string(&path).map_err(|source| Error::new(Kind::Process { pid, source }))?;
    Ok(text.lines().filter_map(parse).collect())
}

/// proc_pid_maps(5): `start-end perms offset dev inode path`.
fn parse(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?;
    let offset = words.next()?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode = words.next()?;
    let path = words.next().unwrap_or_default();
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let device = |text| u32::from_str_radix(text, 16).ok();
    let range = hexadecimal(start)?..hexadecimal(end)?;
    Some(Mapping {
        range,
        executable: permissions.as_bytes().get(2) == Some(&b'x'),
        offset: hexadecimal(offset)?,
        device: (device(major)?, device(minor)?),
        inode: inode.parse().ok()?,
        path: path.trim_start().to_owned(),
    })
}

/// The mapping that an address lies in.
pub(crate) fn find<T: Borrow<Mapping>>(mappings: &[T], address: u64) -> Option<&T> {
    // The kernel lists them in order.
    let after = mappings.partition_point(|mapping| mapping.borrow().range.start <= address);
    let last = mappings.get(after.checked_sub(1)?)?;
    last.borrow().range.contains(&address).then_some(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn path_with_spaces_is_parsed() {
        let line =
            "7f0000001000-7f0000002000 r-xp 0001f000 fd:00 1234      /opt/my app/bin (deleted)";
        let mapping = parse(line).expect("a mapping");
        assert_eq!(mapping.range, 0x7f00_0000_1000..0x7f00_0000_2000);
        assert!(mapping.executable);
        assert_eq!((mapping.offset, mapping.inode), (0x1f000, 1234));
        assert_eq!(mapping.device, (0xfd, 0));
        assert_eq!(mapping.path, "/opt/my app/bin (deleted)");
    }

    #[test]
    fn memory_without_file_has_no_path() {
        let mapping = parse("7ffd0-7ffd9 rw-p 00000000 00:00 0 ").expect("a mapping");
        assert_eq!((mapping.path.as_str(), mapping.executable), ("", false));
    }

    #[test]
    fn own_code_is_found() {
        let mappings = of(std::process::id() as i32).expect("our own process");
        let address = parse as *const () as u64;
        assert!(find(&mappings, address).is_some_and(|mapping| mapping.executable));
        assert!(find(&mappings, 0).is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_line_is_parsed_without_panic(line in ".{0,200}") {
            let _ = parse(&line);
        }
    }
}
