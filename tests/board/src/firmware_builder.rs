//! Makes firmware images for tests: small ELF files with just what the kernel reads.

/// Builds an ELF image; ELF32, ARM, without a resource table until told otherwise.
#[derive(Clone, Debug)]
pub struct FirmwareBuilder {
    wide: bool,
    machine: u16,
    segments: Vec<Segment>,
    traces: usize,
    entries: Vec<Vec<u8>>,
    table: Option<u32>,
    raw_table: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Segment {
    address: u64,
    bytes: Vec<u8>,
    /// p_flags: a driver may tell code from data by them.
    flags: u32,
}

const READ_WRITE: u32 = 6;
const READ_WRITE_EXECUTE: u32 = 7;

impl Default for FirmwareBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FirmwareBuilder {
    /// An image without segments, which the kernel refuses.
    pub fn new() -> Self {
        FirmwareBuilder {
            wide: false,
            machine: 40,
            segments: Vec::new(),
            traces: 0,
            entries: Vec::new(),
            table: None,
            raw_table: None,
        }
    }

    /// Makes it ELF64.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The machine it claims to be for (`e_machine`).
    #[must_use]
    pub fn machine(mut self, machine: u16) -> Self {
        self.machine = machine;
        self
    }

    /// Adds bytes to be loaded at `address`.
    #[must_use]
    pub fn segment(mut self, address: u64, bytes: &[u8]) -> Self {
        self.segments.push(Segment { address, bytes: bytes.to_vec(), flags: READ_WRITE_EXECUTE });
        self
    }

    /// Adds bytes that are not executed: some processors have a memory of its own for these
    /// (drivers/remoteproc/pru_rproc.c).
    #[must_use]
    pub fn data(mut self, address: u64, bytes: &[u8]) -> Self {
        self.segments.push(Segment { address, bytes: bytes.to_vec(), flags: READ_WRITE });
        self
    }

    /// Adds an empty resource table, if there is none yet.
    #[must_use]
    pub fn resource_table(mut self) -> Self {
        self.table.get_or_insert(1);
        self
    }

    /// Announces a trace buffer of `len` bytes at `address` in the resource table.
    #[must_use]
    pub fn trace(mut self, address: u32, len: u32) -> Self {
        let mut name = format!("trace{}", self.traces).into_bytes();
        name.resize(32, 0);
        self.traces += 1;
        self.entry(2, &[address, len, 0], &name)
    }

    /// Adds an entry of a `kind` to the resource table, good or bad: its words, then bytes as they are
    /// (include/linux/remoteproc.h, `struct fw_rsc_hdr`).
    #[must_use]
    pub fn entry(mut self, kind: u32, words: &[u32], bytes: &[u8]) -> Self {
        let words = [&[kind], words].concat();
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        self.entries.push(words.chain(bytes.iter().copied()).collect());
        self.resource_table()
    }

    /// Has these bytes for its resource table, whatever they are.
    #[must_use]
    pub fn raw_table(mut self, bytes: &[u8]) -> Self {
        self.raw_table = Some(bytes.to_vec());
        self.resource_table()
    }

    /// The resource table's version; the kernel knows only 1.
    #[must_use]
    pub fn table_version(mut self, version: u32) -> Self {
        self.table = Some(version);
        self
    }

    /// The image.
    pub fn build(&self) -> Vec<u8> {
        let (header, program, section) = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
        let mut data = Vec::new();
        let data_at = header + program * self.segments.len();

        let mut programs = Vec::new();
        for segment in &self.segments {
            let offset = (data_at + data.len()) as u64;
            self.push_program(&mut programs, offset, segment);
            data.extend_from_slice(&segment.bytes);
        }

        let names = b"\0.shstrtab\0.resource_table\0";
        let names_at = (data_at + data.len()) as u64;
        data.extend_from_slice(names);
        let table = self.table_bytes();
        let table_at = (data_at + data.len()) as u64;
        data.extend_from_slice(&table);

        let mut sections = Vec::new();
        self.push_section(&mut sections, 0, 0, 0, 0);
        self.push_section(&mut sections, 1, 3, names_at, names.len() as u64);
        if self.table.is_some() {
            self.push_section(&mut sections, 11, 1, table_at, table.len() as u64);
        }

        let mut image = self.header(data_at + data.len(), sections.len() / section);
        image.extend(programs);
        image.extend(data);
        image.extend(sections);
        image
    }

    fn header(&self, sections_at: usize, sections: usize) -> Vec<u8> {
        let mut out = b"\x7fELF".to_vec();
        out.extend([if self.wide { 2 } else { 1 }, 1, 1]);
        out.resize(16, 0);
        out.extend(2u16.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        self.push_word(&mut out, self.segments.first().map_or(0, |segment| segment.address));
        self.push_word(&mut out, if self.wide { 64 } else { 52 });
        self.push_word(&mut out, sections_at as u64);
        out.extend(0u32.to_le_bytes());
        let (header, program, section): (u16, u16, u16) = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
        for half in [header, program, self.segments.len() as u16, section, sections as u16, 1] {
            out.extend(half.to_le_bytes());
        }
        out
    }

    fn push_program(&self, out: &mut Vec<u8>, offset: u64, segment: &Segment) {
        out.extend(1u32.to_le_bytes());
        if self.wide {
            out.extend(segment.flags.to_le_bytes());
        }
        let len = segment.bytes.len() as u64;
        for word in [offset, segment.address, segment.address, len, len] {
            self.push_word(out, word);
        }
        if !self.wide {
            out.extend(segment.flags.to_le_bytes());
        }
        self.push_word(out, 4);
    }

    fn push_section(&self, out: &mut Vec<u8>, name: u32, kind: u32, offset: u64, len: u64) {
        out.extend(name.to_le_bytes());
        out.extend(kind.to_le_bytes());
        for word in [0, 0, offset, len] {
            self.push_word(out, word);
        }
        out.extend([0; 8]);
        self.push_word(out, 4);
        self.push_word(out, 0);
    }

    fn push_word(&self, out: &mut Vec<u8>, word: u64) {
        let bytes = word.to_le_bytes();
        out.extend(if self.wide { &bytes[..] } else { &bytes[..4] });
    }

    fn table_bytes(&self) -> Vec<u8> {
        let Some(version) = self.table else { return Vec::new() };
        if let Some(bytes) = &self.raw_table {
            return bytes.clone();
        }
        let count = self.entries.len() as u32;
        let mut out = Vec::new();
        for word in [version, count, 0, 0] {
            out.extend(word.to_le_bytes());
        }
        let mut at = 16 + count * 4;
        for entry in &self.entries {
            out.extend(at.to_le_bytes());
            at += entry.len() as u32;
        }
        out.extend(self.entries.concat());
        out
    }
}
