//! An ELF file as the kernel reads it before it loads one (drivers/remoteproc/remoteproc_elf_loader.c,
//! `rproc_elf_sanity_check`, `rproc_elf_load_segments`, `find_table`).
//!
//! What the kernel would read behind the file's end, without looking first, is a defect as well.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::bytes::Bytes;
use super::span::Span;
use crate::board::Machine;

/// Offsets and sizes of one ELF class (elf(5)).
struct Class {
    header: u64,
    section_header: u64,
    program_header: u64,
    wide: bool,
}

const CLASS_32: Class = Class { header: 52, section_header: 40, program_header: 32, wide: false };
const CLASS_64: Class = Class { header: 64, section_header: 64, program_header: 56, wide: true };

const PT_LOAD: u64 = 1;

/// What the kernel compares section names with, its end included.
const TABLE_NAME: &[u8; 16] = b".resource_table\0";

/// What a firmware consists of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Elf {
    /// Its class in bits: 32 or 64.
    pub class: u64,
    /// `e_machine`.
    pub machine: Machine,
    /// `e_entry`: where the processor begins, if it asks.
    pub entry: u64,
    /// What is loaded, in the order of the program headers.
    pub segments: Vec<Segment>,
    /// The first section called `.resource_table`.
    pub resource_table: Option<Section>,
    /// Why the kernel would refuse it, a sentence each.
    pub problems: Vec<String>,
}

/// A part that is loaded: `PT_LOAD`, at least one byte of memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Its place among the program headers, from 0 on.
    pub number: u64,
    /// Where it goes: `p_paddr` and `p_memsz`, as the processor sees its memory.
    pub memory: Span,
    /// Bytes in the file; the rest is zeros.
    pub file_size: u64,
    /// `p_flags`.
    pub flags: u64,
}

/// A section, as far as it matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Section {
    /// Where the firmware looks for it, and its size.
    pub memory: Span,
    /// Where it is in the file.
    pub offset: u64,
}

impl Segment {
    /// `code` or `data`, by its flags.
    pub fn holds(&self) -> &'static str {
        if self.flags & 1 == 0 { "data" } else { "code" }
    }

    /// Its flags as readelf(1) and ls(1) write them: `r-x`.
    pub fn flags_text(&self) -> String {
        [(4, 'r'), (2, 'w'), (1, 'x')]
            .map(|(bit, c)| if self.flags & bit == 0 { '-' } else { c })
            .iter()
            .collect()
    }
}

/// Reads the ELF file `file` of `size` bytes.
///
/// # Errors
/// A sentence on what is wrong, where nothing more can be told.
pub(super) fn read(file: &File, size: u64) -> Result<Elf, String> {
    let ident = Bytes::read(file, 0, 16).ok_or("is too small for an ELF file")?;
    if ident.0.get(..4) != Some(b"\x7fELF") {
        return Err("is not an ELF file".to_owned());
    }
    let class = match ident.u8(4) {
        1 => CLASS_32,
        2 => CLASS_64,
        _ => return Err("has an ELF class that is neither 32 nor 64 bits".to_owned()),
    };
    let (little, native) = (ident.u8(5) == 1, cfg!(target_endian = "little"));
    if little != native {
        let (is, must) = if native { ("big", "little") } else { ("little", "big") };
        return Err(format!("is {is}-endian, and this kernel loads only {must}-endian firmware"));
    }
    let header = Bytes::read(file, 0, class.header).ok_or("ends inside its ELF header")?;
    let word = |narrow: u64, wide: u64| if class.wide { header.u64(wide) } else { header.u32(narrow) };
    let half = |narrow: u64, wide: u64| header.u16(if class.wide { wide } else { narrow });
    let (program_headers, section_headers) = (word(28, 32), word(32, 40));
    let (entry_size, count) = (half(42, 54), half(44, 56));
    if section_headers.checked_add(class.section_header).is_none_or(|end| end > size) {
        return Err("ends before its section headers: it is cut off".to_owned());
    }
    if count == 0 {
        return Err("has no program headers: nothing to load".to_owned());
    }
    if entry_size != class.program_header {
        return Err(format!("has program headers of {entry_size} bytes instead of {}", class.program_header));
    }
    // At most 64 Ki headers of 56 bytes.
    let table = Bytes::read(file, program_headers, count.saturating_mul(entry_size))
        .ok_or("ends inside its program headers: it is cut off")?;
    let mut elf = Elf {
        class: if class.wide { 64 } else { 32 },
        machine: Machine(u16::try_from(header.u16(18)).unwrap_or_default()),
        entry: word(24, 24),
        segments: Vec::new(),
        resource_table: None,
        problems: Vec::new(),
    };
    for number in 0..count {
        elf.segment(&table, &class, number, size);
    }
    match resource_table(file, size, &class, section_headers, half(48, 60), half(50, 62)) {
        Ok(section) => elf.resource_table = section,
        Err(problem) => elf.problems.push(problem),
    }
    Ok(elf)
}

impl Elf {
    fn segment(&mut self, table: &Bytes, class: &Class, number: u64, size: u64) {
        let at = number.saturating_mul(class.program_header);
        let field = |narrow: u64, wide: u64| match class.wide {
            true => table.u64(at.saturating_add(wide)),
            false => table.u32(at.saturating_add(narrow)),
        };
        let (offset, file_size) = (field(4, 8), field(16, 32));
        let memory = Span { address: field(12, 24), size: field(20, 40) };
        if table.u32(at) != PT_LOAD || memory.size == 0 {
            return;
        }
        if file_size > memory.size {
            let problem =
                format!("has a segment (number {number}) with more bytes in the file than in memory");
            self.problems.push(problem);
        } else if offset.checked_add(file_size).is_none_or(|end| end > size) {
            self.problems.push(format!("ends inside its segment number {number}: it is cut off"));
        }
        let flags = table.u32(at.saturating_add(if class.wide { 4 } else { 24 }));
        self.segments.push(Segment { number, memory, file_size, flags });
    }
}

/// The first section of that name. The kernel neither looks at the size of its headers nor at their types.
fn resource_table(
    file: &File,
    size: u64,
    class: &Class,
    at: u64,
    count: u64,
    names: u64,
) -> Result<Option<Section>, String> {
    if count == 0 {
        return Ok(None);
    }
    let length = class.section_header;
    // At most 64 Ki headers of 64 bytes.
    let table = Bytes::read(file, at, count.saturating_mul(length))
        .ok_or("ends inside its section headers: it is cut off")?;
    let names = at
        .checked_add(names.saturating_mul(length))
        .and_then(|at| Bytes::read(file, at, length))
        .ok_or("has no table of section names where its header says")?;
    let field = |table: &Bytes, at: u64, narrow: u64, wide: u64| match class.wide {
        true => table.u64(at.saturating_add(wide)),
        false => table.u32(at.saturating_add(narrow)),
    };
    let names = field(&names, 0, 16, 24);
    for number in 0..count {
        let at = number.saturating_mul(length);
        let name = names.checked_add(table.u32(at)).filter(|name| *name < size);
        let name = name.ok_or_else(|| format!("has its name of section {number} outside the file"))?;
        let mut text = [0; TABLE_NAME.len()];
        // Shorter where the file ends, and then another name.
        if file.read_at(&mut text, name).is_ok_and(|length| length == text.len()) && text == *TABLE_NAME {
            let memory = Span { address: field(&table, at, 12, 16), size: field(&table, at, 20, 32) };
            return Ok(Some(Section { memory, offset: field(&table, at, 16, 24) }));
        }
    }
    Ok(None)
}
