//! The kernel's view of a firmware image (drivers/remoteproc/remoteproc_elf_loader.c): what it
//! checks, what it loads, what it reads from the resource table. An error is the line it logs;
//! all of them mean EINVAL.

use crate::core_dump::Identity;
use crate::memory::Memory;
use crate::resource;

const PT_LOAD: u64 = 1;
const RSC_TRACE: u64 = 2;

/// A trace buffer announced in the resource table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceBuffer {
    pub(crate) address: u64,
    pub(crate) len: u64,
}

/// Bytes that were copied to the processor's memory, up to whose length it was zeroed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) len: u64,
}

/// The text at `buffer` in loaded memory, up to the first NUL.
pub(crate) fn text_at(segments: &[Segment], buffer: &TraceBuffer) -> Vec<u8> {
    segments
        .iter()
        .find_map(|segment| {
            let skip = usize::try_from(buffer.address.checked_sub(segment.address)?).ok()?;
            let take = usize::try_from(buffer.len).ok()?;
            Some(segment.bytes.get(skip..)?.iter().take(take))
        })
        .map(|bytes| bytes.copied().take_while(|&byte| byte != 0).collect())
        .unwrap_or_default()
}

/// An image that passed the kernel's sanity check.
pub(crate) struct Image<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl<'a> Image<'a> {
    /// rproc_elf_sanity_check; the machine is not looked at.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() < 52 {
            return Err("Image is too small".into());
        }
        if !bytes.starts_with(b"\x7fELF") {
            return Err("Image is corrupted (bad magic)".into());
        }
        let wide = match bytes.get(4) {
            Some(1) => false,
            Some(2) => true,
            other => return Err(format!("Unsupported class: {}", other.copied().unwrap_or(0))),
        };
        if wide && bytes.len() < 64 {
            return Err("elf64 header is too small".into());
        }
        if bytes.get(5) != Some(&1) {
            return Err("Unsupported firmware endianness".into());
        }

        let image = Image { bytes, wide };
        let size = bytes.len() as u64;
        if image.section_table().checked_add(image.section_size()).is_none_or(|end| size < end) {
            return Err("Image is too small".into());
        }
        if image.program_headers() == 0 {
            return Err("No loadable segments".into());
        }
        if image.program_table() > size {
            return Err("Firmware size is too small".into());
        }
        Ok(image)
    }

    /// rproc_elf_load_segments: what lands in the processor's memory.
    pub(crate) fn load(&self, memory: &Memory) -> Result<Vec<Segment>, String> {
        let mut segments = Vec::new();
        for index in 0..self.program_headers() {
            let header = self.program_table() + index * if self.wide { 56 } else { 32 };
            let field = |narrow: u64, wide: u64| self.word(header, narrow, wide);
            let kind = self.number(header, 4);
            let (offset, address) = (field(4, 8), field(12, 24));
            let (in_file, in_memory) = (field(16, 32), field(20, 40));
            if kind != PT_LOAD || in_memory == 0 {
                continue;
            }
            if in_file > in_memory {
                return Err(format!("bad phdr filesz 0x{in_file:x} memsz 0x{in_memory:x}"));
            }
            let end = offset.saturating_add(in_file);
            if end > self.bytes.len() as u64 {
                return Err(format!("truncated fw: need 0x{end:x} avail 0x{:x}", self.bytes.len()));
            }
            if !memory.takes(address, in_memory) {
                return Err(format!("bad phdr da 0x{address:x} mem 0x{in_memory:x}"));
            }
            segments.push(Segment { address, bytes: self.slice(offset, in_file).to_vec(), len: in_memory });
        }
        Ok(segments)
    }

    /// What the image says of itself.
    pub(crate) fn identity(&self) -> Identity {
        Identity { wide: self.wide, machine: self.number(18, 2) as u16, entry: self.word(0, 24, 24) }
    }

    /// rproc_handle_resources: the trace buffers of a resource table whose header is good.
    pub(crate) fn traces(table: &[u8]) -> Result<Vec<TraceBuffer>, String> {
        let at = |offset: u64| number(table, offset, 4);
        let mut traces = Vec::new();
        for entry in 0..at(4) {
            let offset = at(16 + entry * 4);
            if offset + 4 > table.len() as u64 {
                return Err("rsc table is truncated".into());
            }
            resource::check(table.get(offset as usize..).unwrap_or_default())?;
            if at(offset) == RSC_TRACE {
                traces.push(TraceBuffer { address: at(offset + 4), len: at(offset + 8) });
            }
        }
        Ok(traces)
    }

    /// find_table: the resource table, if there is one; its header is checked, and its entries are not.
    pub(crate) fn resource_table(&self) -> Result<Option<&'a [u8]>, String> {
        let names = self.section(self.number(if self.wide { 62 } else { 50 }, 2));
        let count = self.number(if self.wide { 60 } else { 48 }, 2);
        let found = (0..count).map(|index| self.section(index)).find(|section| {
            self.slice(names.offset.saturating_add(section.name), 16).starts_with(b".resource_table\0")
        });
        let Some(section) = found else { return Ok(None) };

        if section.offset.saturating_add(section.size) > self.bytes.len() as u64 {
            return Err("resource table truncated".into());
        }
        let table = self.slice(section.offset, section.size);
        if table.len() < 16 {
            return Err("header-less resource table".into());
        }
        let version = number(table, 0, 4);
        if version != 1 {
            return Err(format!("unsupported fw ver: {version}"));
        }
        if number(table, 8, 8) != 0 {
            return Err("non zero reserved bytes".into());
        }
        if 16 + number(table, 4, 4) * 4 > table.len() as u64 {
            return Err("resource table incomplete".into());
        }
        Ok(Some(table))
    }

    fn section(&self, index: u64) -> Section {
        let header = self.section_table() + index * self.section_size();
        Section {
            name: self.number(header, 4),
            offset: self.word(header, 16, 24),
            size: self.word(header, 20, 32),
        }
    }

    fn program_table(&self) -> u64 {
        self.word(0, 28, 32)
    }

    fn section_table(&self) -> u64 {
        self.word(0, 32, 40)
    }

    fn section_size(&self) -> u64 {
        if self.wide { 64 } else { 40 }
    }

    fn program_headers(&self) -> u64 {
        self.number(if self.wide { 56 } else { 44 }, 2)
    }

    /// An address-sized field of the structure at `base`, by its offset in either class.
    fn word(&self, base: u64, narrow: u64, wide: u64) -> u64 {
        let (offset, len) = if self.wide { (wide, 8) } else { (narrow, 4) };
        self.number(base.saturating_add(offset), len)
    }

    fn number(&self, offset: u64, len: u64) -> u64 {
        number(self.bytes, offset, len)
    }

    fn slice(&self, offset: u64, len: u64) -> &'a [u8] {
        slice(self.bytes, offset, len)
    }
}

struct Section {
    name: u64,
    offset: u64,
    size: u64,
}

/// `len` bytes at `offset`, fewer where the image ends.
fn slice(bytes: &[u8], offset: u64, len: u64) -> &[u8] {
    let size = bytes.len() as u64;
    let start = offset.min(size) as usize;
    let end = offset.saturating_add(len).min(size) as usize;
    bytes.get(start..end).unwrap_or_default()
}

/// A little-endian number; what lies past the end counts as zero.
fn number(bytes: &[u8], offset: u64, len: u64) -> u64 {
    slice(bytes, offset, len).iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::{Image, Segment, TraceBuffer, text_at};
    use crate::firmware_builder::FirmwareBuilder;
    use crate::processor_spec::ProcessorSpec;

    fn refusal(bytes: &[u8]) -> Option<String> {
        let memory = ProcessorSpec::new("m4", "m4").windows(&[(0x1000_0000, 0x6_0000)]).memory();
        Image::check(bytes).and_then(|image| image.load(&memory).map(drop)).err()
    }

    #[test]
    fn good_images_of_any_class_and_machine_load() {
        let firmware = FirmwareBuilder::new().segment(0x1000_0000, b"code");
        assert_eq!(refusal(&firmware.clone().build()), None);
        assert_eq!(refusal(&firmware.clone().machine(62).build()), None);
        assert_eq!(refusal(&firmware.wide().build()), None);
    }

    #[test]
    fn each_defect_gets_the_kernels_line() {
        let good = FirmwareBuilder::new().segment(0x1000_0000, b"code").build();
        let broken = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            refusal(&bytes)
        };
        assert_eq!(refusal(b"tiny").as_deref(), Some("Image is too small"));
        assert_eq!(refusal(&good[..good.len() - 41]).as_deref(), Some("Image is too small"));
        assert_eq!(broken(0, 0).as_deref(), Some("Image is corrupted (bad magic)"));
        assert_eq!(broken(4, 7).as_deref(), Some("Unsupported class: 7"));
        assert_eq!(broken(5, 2).as_deref(), Some("Unsupported firmware endianness"));
        assert_eq!(broken(44, 0).as_deref(), Some("No loadable segments"));
    }

    #[test]
    fn a_segment_must_lie_in_a_window() {
        let at = |address| refusal(&FirmwareBuilder::new().segment(address, &[1; 0x40]).build());
        assert_eq!(at(0x1005_ffc0), None);
        assert_eq!(at(0x1005_ffc1).as_deref(), Some("bad phdr da 0x1005ffc1 mem 0x40"));
        assert_eq!(at(0xe000_0000).as_deref(), Some("bad phdr da 0xe0000000 mem 0x40"));
    }

    #[test]
    fn the_resource_table_names_the_trace_buffer() {
        let bytes =
            FirmwareBuilder::new().segment(0x1000_0000, b"....hello\0rest").trace(0x1000_0004, 0x40).build();
        let table = Image::check(&bytes).and_then(|image| image.resource_table()).unwrap().unwrap();
        assert_eq!(Image::traces(table), Ok(vec![TraceBuffer { address: 0x1000_0004, len: 0x40 }]));
    }

    #[test]
    fn a_version_other_than_one_is_not_a_table() {
        let bytes = FirmwareBuilder::new()
            .segment(0x1000_0000, b"code")
            .trace(0x1000_0000, 4)
            .table_version(7)
            .build();
        let table = Image::check(&bytes).and_then(|image| image.resource_table());
        assert_eq!(table, Err("unsupported fw ver: 7".into()));
    }

    #[test]
    fn trace_text_ends_at_nul_or_at_the_buffers_length() {
        let memory = [Segment { address: 100, bytes: b"xxhello\0yy".to_vec(), len: 10 }];
        let text = |address, len| text_at(&memory, &TraceBuffer { address, len });
        assert_eq!(text(102, 64), b"hello");
        assert_eq!(text(102, 2), b"he");
        assert_eq!(text(300, 64), b"");
    }
}
