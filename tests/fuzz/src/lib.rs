//! What the targets have in common.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use remoteproc_runtime::firmware::FirmwareImage;
use rustix::fs::MemfdFlags;

/// An input that is taken apart from its front; what is missing reads as zeros.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        self.bytes(8).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The next bytes, as many as there are.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A piece whose length comes first, in a byte.
    pub fn piece(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.bytes(length.into())
    }

    /// A piece as text; what is not UTF-8 in it is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.piece()).into_owned()
    }
}

/// A firmware that is in memory alone.
pub fn image(bytes: &[u8]) -> FirmwareImage {
    let name = CString::from(c"firmware");
    let file = File::from(rustix::fs::memfd_create(&*name, MemfdFlags::CLOEXEC).unwrap());
    file.write_all_at(bytes, 0).unwrap();
    FirmwareImage::open_file(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))).unwrap()
}

/// Whether a text can be shown as one line.
pub fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r'])
}
