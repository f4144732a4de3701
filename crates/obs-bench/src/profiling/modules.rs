//! This process's code with its unwind tables, where they lie in memory.

#![allow(unsafe_code, reason = "dl_iterate_phdr(3), and what it points to")]

use std::ffi::c_void;
use std::ops::Range;
use std::slice;

use framehop::{ExplicitModuleSectionInfo, Module};

type Tables = &'static [u8];

pub(super) fn of_this_process() -> Vec<Module<Tables>> {
    let mut modules: Vec<Module<Tables>> = Vec::new();
    // SAFETY: the function is of the type that the call wants, and so is what it is handed.
    unsafe { libc::dl_iterate_phdr(Some(take), (&raw mut modules).cast()) };
    modules
}

unsafe extern "C" fn take(info: *mut libc::dl_phdr_info, _: usize, modules: *mut c_void) -> i32 {
    // SAFETY: handed over by `of_this_process`, and by the dynamic linker.
    let (modules, info) = unsafe { (&mut *modules.cast::<Vec<_>>(), &*info) };
    // SAFETY: as the dynamic linker tells it.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    modules.extend(module(info.dlpi_addr, headers));
    0
}

fn module(base: u64, headers: &[libc::Elf64_Phdr]) -> Option<Module<Tables>> {
    let range = |header: &libc::Elf64_Phdr| header.p_vaddr..header.p_vaddr + header.p_memsz;
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let code = loaded.clone().find(|header| header.p_flags & libc::PF_X != 0).map(range)?;
    let index = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME).map(range)?;
    let segment = loaded.map(range).find(|range| range.contains(&index.start))?;
    let bytes = |range: &Range<u64>| {
        let begin = (base + range.start) as *const u8;
        // SAFETY: it lies in a segment that stays loaded.
        unsafe { slice::from_raw_parts(begin, (range.end - range.start) as usize) }
    };
    // Linux Standard Base: four bytes that say what follows; then where the tables are, relative to here.
    let relative: [u8; 4] = bytes(&index).get(4..8)?.try_into().ok()?;
    let begin = (index.start + 4).wrapping_add_signed(i32::from_le_bytes(relative).into());
    let tables = begin..segment.end;
    let sections = ExplicitModuleSectionInfo {
        text_svma: Some(code.clone()),
        eh_frame: Some(bytes(&tables)),
        eh_frame_svma: Some(tables),
        eh_frame_hdr: Some(bytes(&index)),
        eh_frame_hdr_svma: Some(index),
        ..Default::default()
    };
    let range = base + code.start..base + code.end;
    Some(Module::new(String::new(), range, base, sections))
}
