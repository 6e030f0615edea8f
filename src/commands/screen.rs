//! What a firmware wrote, on standard output: as it is, but for a terminal, which would obey its control sequences.

use std::io::{Result, Write};

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    is_terminal: bool,
    /// How many bytes of a character are still to come.
    pending: u8,
}

impl Screen {
    /// Standard output, and whether that is a terminal.
    pub fn new() -> Self {
        Self { is_terminal: rustix::termios::isatty(std::io::stdout()), pending: 0 }
    }

    /// Writes what has come, in pieces cut anywhere.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn write(&mut self, text: &[u8]) -> Result<()> {
        let mut stdout = std::io::stdout();
        match self.is_terminal {
            true => stdout.write_all(self.harmless(text).as_slice())?,
            false => stdout.write_all(text)?,
        }
        stdout.flush()
    }

    /// The text with control characters escaped, but for those that lay it out.
    fn harmless(&mut self, text: &[u8]) -> Vec<u8> {
        let mut harmless = Vec::with_capacity(text.len());
        for &byte in text {
            match self.is_control(byte) {
                // One of the C1 set is told by its second byte; without its first it is shown as no character.
                true => harmless.extend(format!("\\x{byte:02x}").bytes()),
                false => harmless.push(byte),
            }
        }
        harmless
    }

    /// Whether a terminal would take a byte for a control character: of the C0 set, DEL, or one of the C1 set (ECMA-48), which
    /// is a byte of its own, or the second of two (0xc2 before it) in UTF-8.
    fn is_control(&mut self, byte: u8) -> bool {
        if let 0x80..=0xbf = byte {
            let continues = self.pending > 0;
            self.pending = self.pending.saturating_sub(1);
            return byte < 0xa0 && !continues;
        }
        self.pending = match byte {
            0xc3..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        byte == 0x7f || (byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_control_sequences_do_not_reach_the_terminal() {
        for (text, expected) in [
            ("plain\r\n\ttext", "plain\r\n\ttext"),
            ("grüße, 東京 🦀 ÀÛ", "grüße, 東京 🦀 ÀÛ"),
            ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
            ("a\x08b\x7f\0", "a\\x08b\\x7f\\x00"),
        ] {
            let mut screen = Screen { is_terminal: true, pending: 0 };
            assert_eq!(String::from_utf8(screen.harmless(text.as_bytes())).unwrap(), expected);
            // However it is cut.
            let mut screen = Screen { is_terminal: true, pending: 0 };
            let pieces = text.bytes().flat_map(|byte| screen.harmless(&[byte])).collect();
            assert_eq!(String::from_utf8(pieces).unwrap(), expected);
        }
        let mut screen = Screen { is_terminal: true, pending: 0 };
        for (bytes, expected) in [
            (&b"\x9b2J"[..], &b"\\x9b2J"[..]),
            ("\u{9b}2J".as_bytes(), b"\xc2\\x9b2J"),
            (b"\xe6\x1b[\x9b", b"\xe6\\x1b[\\x9b"),
        ] {
            assert_eq!(screen.harmless(bytes), expected);
        }
    }
}
