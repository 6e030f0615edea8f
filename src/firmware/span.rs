//! Ranges of addresses.

use std::fmt;

/// So many bytes from an address on; the end may lie behind the last address that there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The first.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

impl Span {
    /// Whether all of `other` lies in it.
    pub fn holds(self, other: Self) -> bool {
        let skipped = other.address.checked_sub(self.address);
        skipped.and_then(|skipped| self.size.checked_sub(skipped)).is_some_and(|left| other.size <= left)
    }

    /// The last address.
    fn last(self) -> u64 {
        self.address.saturating_add(self.size.saturating_sub(1))
    }

    /// Bytes between the two; 0 where they touch or overlap.
    pub fn distance(self, other: Self) -> u64 {
        let behind = |a: Self, b: Self| b.address.saturating_sub(a.last());
        behind(self, other).max(behind(other, self)).saturating_sub(1)
    }

    /// Bytes that lie in both.
    pub fn overlap(self, other: Self) -> u64 {
        match (self.size, other.size) {
            (0, _) | (_, 0) => 0,
            _ => {
                let (first, last) = (self.address.max(other.address), self.last().min(other.last()));
                last.checked_sub(first).map_or(0, |bytes| bytes.saturating_add(1))
            }
        }
    }
}

/// `0x1000_0000-0x1000_3fff`, as addresses are written everywhere here.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Address(self.address), Address(self.last()))
    }
}

/// An address as people read it: `0x4d_8080_0000`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |at: u32| self.0.checked_shr(at).unwrap_or(0) & 0xffff;
        match (group(48), group(32)) {
            (0, 0) => f.write_str("0x")?,
            (0, middle) => write!(f, "0x{middle:x}_")?,
            (high, middle) => write!(f, "0x{high:x}_{middle:04x}_")?,
        }
        write!(f, "{:04x}_{:04x}", group(16), group(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(address: u64, size: u64) -> Span {
        Span { address, size }
    }

    #[test]
    fn all_of_it_lies_inside_or_it_does_not() {
        let window = span(0x100, 0x100);
        for (address, size, inside) in [
            (0x100, 0x100, true),
            (0x1ff, 1, true),
            (0x1ff, 2, false),
            (0xff, 1, false),
            (0x200, 1, false),
            (0x100, u64::MAX, false),
            (u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(window.holds(span(address, size)), inside, "{address:#x} {size:#x}");
        }
        assert!(span(u64::MAX, 1).holds(span(u64::MAX, 1)));
    }

    #[test]
    fn how_far_apart_and_how_much_in_common() {
        for (a, b, distance, overlap) in [
            (span(0, 10), span(10, 10), 0, 0),
            (span(0, 10), span(5, 10), 0, 5),
            (span(0, 10), span(20, 1), 10, 0),
            (span(0, 10), span(2, 3), 0, 3),
            (span(0, 10), span(u64::MAX, 9), u64::MAX - 10, 0),
            (span(0, 0), span(0, 10), 0, 0),
        ] {
            assert_eq!((a.distance(b), b.distance(a)), (distance, distance), "{a} {b}");
            assert_eq!((a.overlap(b), b.overlap(a)), (overlap, overlap), "{a} {b}");
        }
    }

    #[test]
    fn addresses_are_written_in_groups() {
        assert_eq!(span(0x1000_0000, 0x4000).to_string(), "0x1000_0000-0x1000_3fff");
        assert_eq!(span(0, 1).to_string(), "0x0000_0000-0x0000_0000");
        assert_eq!(Address(0x4d_8080_0000).to_string(), "0x4d_8080_0000");
        assert_eq!(span(u64::MAX, u64::MAX).to_string(), "0xffff_ffff_ffff_ffff-0xffff_ffff_ffff_ffff");
    }
}
