//! The ELF core of a crashed processor (drivers/remoteproc/remoteproc_coredump.c).

/// Type, header sizes and flags of a core (include/uapi/linux/elf.h).
const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const READ_WRITE_EXECUTE: u32 = 7;

/// What goes into the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// ELF64.
    pub(crate) wide: bool,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
}

/// A dump: its first bytes, and how many it has with the zeros behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoreDump {
    bytes: Vec<u8>,
    len: u64,
}

impl CoreDump {
    /// A core of `segments`, pairs of address and content. If it has fewer bytes than `at_least`, the last segment
    /// gets longer.
    pub(crate) fn new(identity: Identity, segments: &[(u64, Vec<u8>)], at_least: u64) -> Self {
        let (header, program) = if identity.wide { (64, 56) } else { (52, 32) };
        let headers = header + program * segments.len() as u64;
        let natural = headers + segments.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        let len = natural.max(at_least);

        let mut bytes = elf_header(identity, segments.len() as u16);
        let mut offset = headers;
        for (index, (address, content)) in segments.iter().enumerate() {
            let more = if index + 1 == segments.len() { len - natural } else { 0 };
            let size = content.len() as u64 + more;
            program_header(&mut bytes, identity.wide, offset, *address, size);
            offset += size;
        }
        for (_, content) in segments {
            bytes.extend_from_slice(content);
        }
        CoreDump { bytes, len }
    }

    /// At most `size` bytes from `offset` on.
    pub(crate) fn read(&self, offset: u64, size: usize) -> Vec<u8> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let mut read = self.bytes[start..].iter().take(size.min(left)).copied().collect::<Vec<u8>>();
        read.resize(size.min(left), 0);
        read
    }
}

fn elf_header(identity: Identity, segments: u16) -> Vec<u8> {
    let Identity { wide, machine, entry } = identity;
    let (header, program): (u16, u16) = if wide { (64, 56) } else { (52, 32) };
    let mut out = b"\x7fELF".to_vec();
    out.extend([if wide { 2 } else { 1 }, 1, 1]);
    out.resize(16, 0);
    out.extend(ET_CORE.to_le_bytes());
    out.extend(machine.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for word in [entry, u64::from(header), 0] {
        push_word(&mut out, wide, word);
    }
    out.extend(0u32.to_le_bytes());
    // No sections.
    for half in [header, program, segments, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out
}

fn program_header(out: &mut Vec<u8>, wide: bool, offset: u64, address: u64, size: u64) {
    out.extend(PT_LOAD.to_le_bytes());
    if wide {
        out.extend(READ_WRITE_EXECUTE.to_le_bytes());
    }
    for word in [offset, address, address, size, size] {
        push_word(out, wide, word);
    }
    if !wide {
        out.extend(READ_WRITE_EXECUTE.to_le_bytes());
    }
    push_word(out, wide, 0);
}

fn push_word(out: &mut Vec<u8>, wide: bool, word: u64) {
    let bytes = word.to_le_bytes();
    out.extend(if wide { &bytes[..] } else { &bytes[..4] });
}

#[cfg(test)]
mod tests {
    use super::{CoreDump, Identity};

    const ARM: Identity = Identity { wide: false, machine: 40, entry: 0x101 };

    fn word(bytes: &[u8], at: usize) -> u32 {
        bytes[at..at + 4].iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
    }

    #[test]
    fn headers_lead_to_the_segments() {
        let dump = CoreDump::new(ARM, &[(0x0, b"code".to_vec()), (0x1000_0000, b"data!".to_vec())], 0);
        let bytes = dump.read(0, 4096);
        assert_eq!(bytes.len(), 52 + 2 * 32 + 9);
        assert_eq!(&bytes[..20], b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x28\0");
        assert_eq!((word(&bytes, 24), word(&bytes, 28)), (0x101, 52));
        let second = 52 + 32;
        let offset = word(&bytes, second + 4) as usize;
        assert_eq!((word(&bytes, second + 12), word(&bytes, second + 16)), (0x1000_0000, 5));
        assert_eq!(&bytes[offset..], b"data!");
    }

    #[test]
    fn it_is_read_in_pieces_and_has_an_end() {
        let dump = CoreDump::new(ARM, &[(0, b"code".to_vec())], 0);
        assert_eq!(dump.read(84, 3), b"cod");
        assert_eq!(dump.read(87, 3), b"e");
        assert_eq!(dump.read(88, 3), b"");
        assert_eq!(dump.read(u64::MAX, 3), b"");
    }

    #[test]
    fn a_wanted_size_is_the_last_segments() {
        let dump = CoreDump::new(Identity { wide: true, ..ARM }, &[(0, b"code".to_vec())], 1 << 20);
        let bytes = dump.read(0, 2 << 20);
        assert_eq!(bytes.len(), 1 << 20);
        assert_eq!(u64::from(word(&bytes, 64 + 32)), (1 << 20) - 64 - 56);
        assert_eq!(&bytes[120..126], b"code\0\0");
    }
}
