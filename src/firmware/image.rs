//! The firmware inside a container's root file system.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;

use rustix::io::Errno;

use super::elf;
use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::sys::{errno, files};

/// The largest firmware that is taken, in bytes.
const FIRMWARE_LIMIT: u64 = 256 << 20;

/// An opened firmware file that the kernel would take.
#[derive(Debug)]
pub struct FirmwareImage {
    /// Its path in the root file system, as config.json gives it.
    path: PathBuf,
    file: File,
    size: u64,
}

impl FirmwareImage {
    /// Opens and checks the firmware of a bundle.
    ///
    /// # Errors
    /// [`Error::Config`] when the root file system cannot be opened, [`Error::Firmware`] for anything but a regular file
    /// inside it of at most 256 MiB in ELF format that this kernel loads.
    pub fn open(bundle: &Bundle) -> Result<Self> {
        let path = bundle.firmware.clone();
        let refuse = |problem: String| Error::Firmware { path: path.clone(), problem, hint: None };
        if path.to_str().is_none_or(|name| name.chars().any(char::is_control)) {
            return Err(refuse("has control characters in its name".to_owned()));
        }
        if path.file_name().is_none() {
            return Err(refuse("is no file name".to_owned()));
        }
        let root = bundle.open_root()?;
        let file = files::open_regular_in_root(root, &path).map_err(|e| match e {
            Errno::NOTSUP => refuse("is not a regular file".to_owned()),
            Errno::NOSYS => refuse("cannot be opened safely: openat2(2) needs Linux 5.6 or later".to_owned()),
            e => refuse(format!("cannot be opened in the root file system: {}", errno::in_words(e))),
        })?;
        let size = file.metadata().map_err(|e| Error::io("inspect", &path, e))?.len();
        if size > FIRMWARE_LIMIT {
            return Err(refuse(format!("is larger than {} MiB", FIRMWARE_LIMIT >> 20)));
        }
        elf::check(&file, size).map_err(refuse)?;
        Ok(Self { path, file, size })
    }

    /// The file's own name, without directories.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Copies the whole of it.
    ///
    /// # Errors
    /// What reading or writing gives; `EIO` when the file changed its size meanwhile.
    pub fn copy_to(&mut self, to: &mut File) -> std::io::Result<()> {
        self.file.rewind()?;
        let copied = std::io::copy(&mut std::io::Read::take(&mut self.file, FIRMWARE_LIMIT), to)?;
        if copied != self.size {
            return Err(Errno::IO.into());
        }
        to.flush()
    }
}
