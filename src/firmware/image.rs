//! A firmware file: the one inside a container's root file system, or any.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::bundle::{Bundle, Deployment};
use crate::error::{Error, Result};
use crate::sys::{errno, files};

/// The largest firmware that is taken, in bytes.
const FIRMWARE_LIMIT: u64 = 256 << 20;

const NOT_REGULAR: &str = "is not a regular file";

/// An opened firmware file. What is in it, [`examine`](super::examine) tells.
#[derive(Debug)]
pub struct FirmwareImage {
    /// Its path: in a root file system as config.json gives it.
    path: PathBuf,
    file: File,
    size: u64,
}

impl FirmwareImage {
    /// Opens the firmware that a bundle deploys.
    ///
    /// # Errors
    /// [`Error::Config`] when the root file system cannot be opened, [`Error::Firmware`] for anything but a regular file
    /// inside it of at most 256 MiB.
    pub fn open(bundle: &Bundle, deployment: &Deployment) -> Result<Self> {
        let path = &deployment.firmware;
        if path.to_str().is_none_or(|name| name.chars().any(char::is_control)) {
            return Err(refusal(path, "has control characters in its name"));
        }
        if path.file_name().is_none() {
            return Err(refusal(path, "is no file name"));
        }
        let root = bundle.open_root()?;
        let file = files::open_regular_in_root(root, path).map_err(|e| match e {
            Errno::NOTSUP => refusal(path, NOT_REGULAR),
            Errno::NOSYS => refusal(path, "cannot be opened safely: openat2(2) needs Linux 5.6 or later"),
            e => refusal(path, &format!("cannot be opened in the root file system: {}", errno::in_words(e))),
        })?;
        Self::of(path, file)
    }

    /// Opens any firmware file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened, [`Error::Firmware`] for anything but a regular file of at most 256 MiB.
    pub fn open_file(path: &Path) -> Result<Self> {
        // Without waiting for the writer of a FIFO.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::io("open", path, e))?;
        Self::of(path, file.into())
    }

    fn of(path: &Path, file: File) -> Result<Self> {
        let metadata = file.metadata().map_err(|e| Error::io("inspect", path, e))?;
        if !metadata.is_file() {
            return Err(refusal(path, NOT_REGULAR));
        }
        let size = metadata.len();
        if size > FIRMWARE_LIMIT {
            return Err(refusal(path, &format!("is larger than {} MiB", FIRMWARE_LIMIT >> 20)));
        }
        Ok(Self { path: path.to_owned(), file, size })
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
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

fn refusal(path: &Path, problem: &str) -> Error {
    Error::Firmware { path: path.to_owned(), problem: problem.to_owned(), hint: None }
}
