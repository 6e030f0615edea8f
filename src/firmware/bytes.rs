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

    /// The `index`th word of 32 bits from `at` on.
    pub fn word(&self, at: u64, index: u64) -> u64 {
        self.u32(at.saturating_add(index.saturating_mul(4)))
    }

    /// The text in at most `length` bytes, as far as its first NUL.
    pub fn text(&self, at: u64, length: usize) -> String {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let bytes: Vec<u8> =
            self.0.iter().skip(at).take(length).copied().take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn u64(&self, at: u64) -> u64 {
        u64::from_ne_bytes(self.array(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_reads_as_nothing() {
        let bytes = Bytes(b"ab\0cdefghijk".to_vec());
        assert_eq!(
            (bytes.text(0, 32), bytes.text(3, 4), bytes.text(3, 32)),
            ("ab".into(), "cdef".into(), "cdefghijk".into())
        );
        for at in [12, 13, u64::MAX - 3, u64::MAX] {
            let numbers = [
                bytes.u8(at),
                bytes.u16(at),
                bytes.u32(at),
                bytes.u64(at),
                bytes.word(at, u64::MAX),
                bytes.word(0, at),
            ];
            assert_eq!((numbers, bytes.text(at, 32)), ([0; 6], String::new()), "{at}");
        }
        assert_eq!(
            (bytes.u32(8), bytes.u32(9)),
            (u32::from_ne_bytes(*b"hijk").into(), 0),
            "not a part of a number"
        );
        let file = File::open("/dev/null").unwrap();
        assert!(Bytes::read(&file, u64::MAX, 1).is_none());
        assert!(Bytes::read(&file, u64::MAX, 0).is_none_or(|bytes| bytes.0.is_empty()));
    }
}
