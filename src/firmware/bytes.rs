//! Numbers at offsets of a file that may be anything.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of a file, read as numbers in the machine's own order. What lies outside reads as zero.
pub(super) struct Bytes(pub Vec<u8>);

impl Bytes {
    /// `length` bytes from `offset` on; `None` when the file has not so many. The caller bounds `length`.
    pub fn read(file: &File, offset: u64, length: u64) -> Option<Self> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(Self(bytes))
    }

    fn array<const N: usize>(&self, at: u64) -> [u8; N] {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        self.0.get(at..).and_then(|tail| tail.first_chunk()).copied().unwrap_or([0; N])
    }

    pub fn u8(&self, at: u64) -> u64 {
        u8::from_ne_bytes(self.array(at)).into()
    }

    pub fn u16(&self, at: u64) -> u64 {
        u16::from_ne_bytes(self.array(at)).into()
    }

    pub fn u32(&self, at: u64) -> u64 {
        u32::from_ne_bytes(self.array(at)).into()
    }

    pub fn u64(&self, at: u64) -> u64 {
        u64::from_ne_bytes(self.array(at))
    }
}
