//! Renaming without overwriting.

#![allow(
    unsafe_code,
    reason = "the system's rename that refuses to overwrite has no safe counterpart"
)]

use std::io;
use std::path::Path;

/// Renames a file; an error where the new name is taken.
pub(super) fn without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match refusing(from, to) {
        // An old kernel, or a file system that does not know how.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {}
        done => return done,
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

#[cfg(target_os = "linux")]
fn refusing(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both are strings that end with a zero and live until the call returns; it keeps neither.
    let done = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
