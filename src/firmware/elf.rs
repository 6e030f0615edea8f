//! The checks that the kernel makes before it loads an ELF file, so that a firmware it would refuse is refused before
//! anything is stored (drivers/remoteproc/remoteproc_elf_loader.c, `rproc_elf_sanity_check` and
//! `rproc_elf_load_segments`). As in the kernel, the machine is not looked at.

use std::fs::File;
use std::os::unix::fs::FileExt;

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

/// Checks the ELF file `file` of `size` bytes. The error is a sentence on what is wrong.
pub fn check(file: &File, size: u64) -> Result<(), String> {
    let ident = Bytes::read(file, 0, 16).ok_or("is too small for an ELF file")?;
    if ident.0.get(..4) != Some(b"\x7fELF") {
        return Err("is not an ELF file".to_owned());
    }
    let class = match ident.0.get(4) {
        Some(1) => CLASS_32,
        Some(2) => CLASS_64,
        _ => return Err("has an ELF class that is neither 32 nor 64 bits".to_owned()),
    };
    let (little, native) = (ident.0.get(5) == Some(&1), cfg!(target_endian = "little"));
    if little != native {
        let (is, must) = if native { ("big", "little") } else { ("little", "big") };
        return Err(format!("is {is}-endian, and this kernel loads only {must}-endian firmware"));
    }
    let header = Bytes::read(file, 0, class.header).ok_or("ends inside its ELF header")?;
    let (program_headers, section_headers, entry_size, count) = if class.wide {
        (header.u64(32), header.u64(40), header.u16(54), header.u16(56))
    } else {
        (header.u32(28), header.u32(32), header.u16(42), header.u16(44))
    };
    if section_headers.checked_add(class.section_header).is_none_or(|end| end > size) {
        return Err("ends before its section headers: it is cut off".to_owned());
    }
    if count == 0 {
        return Err("has no program headers: nothing to load".to_owned());
    }
    if entry_size != class.program_header {
        return Err(format!("has program headers of {entry_size} bytes instead of {}", class.program_header));
    }
    let table = count.checked_mul(entry_size).and_then(|length| program_headers.checked_add(length));
    if table.is_none_or(|end| end > size) {
        return Err("ends inside its program headers: it is cut off".to_owned());
    }
    (0..count).try_for_each(|index| {
        // Cannot overflow: the table lies within the file.
        let at = program_headers.saturating_add(index.saturating_mul(entry_size));
        let entry =
            Bytes::read(file, at, entry_size).ok_or("ends inside its program headers: it is cut off")?;
        check_segment(&entry, &class, index, size)
    })
}

fn check_segment(entry: &Bytes, class: &Class, index: u64, size: u64) -> Result<(), String> {
    let (offset, in_file, in_memory) = if class.wide {
        (entry.u64(8), entry.u64(32), entry.u64(40))
    } else {
        (entry.u32(4), entry.u32(16), entry.u32(20))
    };
    if entry.u32(0) != PT_LOAD || in_memory == 0 {
        return Ok(());
    }
    if in_file > in_memory {
        return Err(format!("has a segment (number {index}) with more bytes in the file than in memory"));
    }
    match offset.checked_add(in_file) {
        Some(end) if end <= size => Ok(()),
        _ => Err(format!("ends inside its segment number {index}: it is cut off")),
    }
}

/// Bytes of the file, read as numbers in the machine's own order. What lies outside reads as zero.
struct Bytes(Vec<u8>);

impl Bytes {
    fn read(file: &File, offset: u64, length: u64) -> Option<Self> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(Self(bytes))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|tail| tail.first_chunk()).copied().unwrap_or([0; N])
    }

    fn u16(&self, at: usize) -> u64 {
        u16::from_ne_bytes(self.array(at)).into()
    }

    fn u32(&self, at: usize) -> u64 {
        u32::from_ne_bytes(self.array(at)).into()
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.array(at))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BLINK: &[u8] = include_bytes!("../../tests/firmware/blink.elf");

    fn checked(bytes: &[u8]) -> Result<(), String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        check(&file, bytes.len() as u64)
    }

    fn patched(at: usize, bytes: &[u8]) -> Result<(), String> {
        let mut elf = BLINK.to_vec();
        elf[at..at + bytes.len()].copy_from_slice(bytes);
        checked(&elf)
    }

    #[test]
    fn real_firmware_is_taken() {
        assert_eq!(checked(BLINK), Ok(()));
        assert_eq!(patched(18, &[62, 0]), Ok(()), "the machine is not looked at");
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        for (result, reason) in [
            (checked(b""), "too small"),
            (checked(b"\x7fELF"), "too small"),
            (checked(&[b'x'; 4096]), "not an ELF"),
            (checked(&BLINK[..40]), "inside its ELF header"),
            (patched(4, &[7]), "class"),
            (patched(5, &[2]), "big-endian"),
            (patched(32, &[0xff; 4]), "section headers"),
            (patched(44, &[0, 0]), "no program headers"),
            (patched(42, &[31, 0]), "program headers of 31 bytes"),
            (patched(28, &[0xff; 4]), "inside its program headers"),
            (patched(44, &[0xff, 0xff]), "inside its program headers"),
            (patched(52 + 4, &[0xff; 4]), "inside its segment number 0"),
            (patched(52 + 16, &[0xff; 4]), "more bytes in the file"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn no_prefix_and_no_single_byte_makes_it_panic() {
        for length in 0..BLINK.len() {
            let _ = checked(&BLINK[..length]);
        }
        for at in 0..116 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let _ = patched(at, &[byte]);
            }
        }
    }
}
