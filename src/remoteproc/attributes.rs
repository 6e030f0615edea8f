//! The attributes of one processor, held open (drivers/remoteproc/remoteproc_sysfs.c).
//!
//! Reading and writing them allocates nothing: the proxy does it for as long as the firmware runs.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

/// What `state` can read (`rproc_state_string`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum ProcessorState {
    Offline,
    Suspended,
    Running,
    Crashed,
    Deleted,
    Attached,
    Detached,
    /// A word that this version does not know.
    Unknown,
}

impl ProcessorState {
    const WORDS: [(Self, &'static str); 8] = [
        (Self::Offline, "offline"),
        (Self::Suspended, "suspended"),
        (Self::Running, "running"),
        (Self::Crashed, "crashed"),
        (Self::Deleted, "deleted"),
        (Self::Attached, "attached"),
        (Self::Detached, "detached"),
        (Self::Unknown, "unknown"),
    ];

    /// The kernel's word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(state, _)| *state == self).map_or("unknown", |(_, word)| word)
    }

    /// The state that a word means.
    pub fn from_word(word: &str) -> Self {
        Self::WORDS.iter().find(|(_, known)| *known == word).map_or(Self::Unknown, |(state, _)| *state)
    }

    /// Reads the state of the processor at `path` once.
    ///
    /// # Errors
    /// `ENOENT` or `ENODEV` when the processor is gone.
    pub fn read(path: &Path) -> Result<Self> {
        let mut buffer = [0; VALUE];
        Ok(Self::from_word(value(&open(path, "state", OFlags::RDONLY)?, &mut buffer)?))
    }
}

impl fmt::Display for ProcessorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the kernel restarts a processor that crashed (attribute `recovery`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Recovery {
    Enabled,
    Disabled,
}

impl Recovery {
    /// The kernel's words.
    pub const WORDS: [(&'static str, Self); 2] = [("enabled", Self::Enabled), ("disabled", Self::Disabled)];

    /// The kernel's word.
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }

    /// The setting that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        value_of(&Self::WORDS, word)
    }
}

/// What the kernel does with the memory of a processor that crashed (attribute `coredump`,
/// drivers/remoteproc/remoteproc_coredump.c).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coredump {
    /// Nothing.
    Disabled,
    /// It copies it before the recovery.
    Enabled,
    /// It shows the memory itself, and the recovery waits until that was read.
    Inline,
}

impl Coredump {
    /// The kernel's words.
    pub const WORDS: [(&'static str, Self); 3] =
        [("disabled", Self::Disabled), ("enabled", Self::Enabled), ("inline", Self::Inline)];

    /// The kernel's word.
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, self)
    }

    /// The setting that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        value_of(&Self::WORDS, word)
    }
}

fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], wanted: T) -> &'static str {
    words.iter().find(|(_, value)| *value == wanted).map_or("", |(word, _)| word)
}

fn value_of<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// The longest value that matters, in bytes: a firmware's name, at most 255, and a newline.
const VALUE: usize = 256;

/// A processor's attributes, opened for control.
#[derive(Debug)]
pub struct Attributes {
    state: OwnedFd,
    firmware: OwnedFd,
    /// In sysfs since Linux 5.10.
    recovery: Option<OwnedFd>,
    /// As well; and of no matter to a container that does not ask for it.
    coredump: Result<OwnedFd>,
}

impl Attributes {
    /// Opens them for reading and writing.
    ///
    /// # Errors
    /// `EACCES` without the rights, or where the driver made them read-only (`sysfs_read_only`, Linux 5.18).
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            state: open(path, "state", OFlags::RDWR)?,
            firmware: open(path, "firmware", OFlags::RDWR)?,
            recovery: match open(path, "recovery", OFlags::RDWR) {
                Err(Errno::NOENT) => None,
                other => Some(other?),
            },
            coredump: open(path, "coredump", OFlags::RDWR),
        })
    }

    /// `state`.
    ///
    /// # Errors
    /// `ENODEV` once the device is gone.
    pub fn state(&self) -> Result<ProcessorState> {
        Ok(ProcessorState::from_word(value(&self.state, &mut [0; VALUE])?))
    }

    /// Whether `firmware` reads `name`. While attached the kernel answers `unknown`.
    ///
    /// # Errors
    /// `ENODEV` once the device is gone.
    pub fn firmware_is(&self, name: &str) -> Result<bool> {
        Ok(value(&self.firmware, &mut [0; VALUE])? == name)
    }

    /// `recovery`; where the kernel does not show it, what it does by itself.
    ///
    /// # Errors
    /// `ENODEV` once the device is gone.
    pub fn recovery(&self) -> Result<Recovery> {
        let Some(recovery) = &self.recovery else { return Ok(Recovery::Enabled) };
        Ok(match value(recovery, &mut [0; VALUE])? {
            "enabled" => Recovery::Enabled,
            _ => Recovery::Disabled,
        })
    }

    /// `coredump`.
    ///
    /// # Errors
    /// `ENOENT` where the kernel does not show it; `ENODEV` once the device is gone.
    pub fn coredump(&self) -> Result<Coredump> {
        let coredump = self.coredump.as_ref().map_err(|errno| *errno)?;
        Coredump::from_word(value(coredump, &mut [0; VALUE])?).ok_or(Errno::INVAL)
    }

    pub(super) fn write_state(&self, word: &str) -> Result<()> {
        write(&self.state, word)
    }

    pub(super) fn write_firmware(&self, name: &str) -> Result<()> {
        write(&self.firmware, name)
    }

    pub(super) fn write_coredump(&self, setting: Coredump) -> Result<()> {
        write(self.coredump.as_ref().map_err(|errno| *errno)?, setting.word())
    }

    pub(super) fn write_recovery(&self, word: &str) -> Result<()> {
        self.recovery.as_ref().map_or(Err(Errno::NOENT), |recovery| write(recovery, word))
    }
}

/// The attribute `firmware` of the processor at `path`, read once.
///
/// # Errors
/// `ENOENT` or `ENODEV` when the processor is gone.
pub fn firmware_name(path: &Path) -> Result<String> {
    let mut buffer = [0; VALUE];
    value(&open(path, "firmware", OFlags::RDONLY)?, &mut buffer).map(str::to_owned)
}

/// Whether the kernel restarts the processor at `path` after a crash; where it does not show that, it does.
pub fn recovers(path: &Path) -> bool {
    let setting = open(path, "recovery", OFlags::RDONLY);
    !setting.is_ok_and(|file| value(&file, &mut [0; VALUE]) == Ok("disabled"))
}

fn open(path: &Path, attribute: &str, access: OFlags) -> Result<OwnedFd> {
    rustix::fs::open(path.join(attribute), access | OFlags::CLOEXEC, Mode::empty())
}

/// Reading at offset 0 makes the kernel produce the value anew (fs/kernfs/file.c).
fn value<'a>(fd: &OwnedFd, buffer: &'a mut [u8; VALUE]) -> Result<&'a str> {
    let length = rustix::io::pread(fd, &mut buffer[..], 0)?;
    let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default()).map_err(|_| Errno::ILSEQ)?;
    Ok(text.trim_end_matches('\n'))
}

/// An attribute takes its value in one write; a part of it would be a value of its own.
fn write(fd: &OwnedFd, word: &str) -> Result<()> {
    match rustix::io::pwrite(fd, word.as_bytes(), 0)? {
        written if written == word.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_kernel_is_a_state_and_back() {
        for (state, word) in ProcessorState::WORDS {
            assert_eq!((ProcessorState::from_word(word), state.word()), (state, word));
        }
        assert_eq!(ProcessorState::from_word("invalid"), ProcessorState::Unknown);
    }

    #[test]
    fn values_are_read_anew_from_held_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        for (attribute, value) in [("state", "offline\n"), ("firmware", "a.elf\n"), ("recovery", "enabled\n")]
        {
            std::fs::write(dir.path().join(attribute), value).unwrap();
        }
        let attributes = Attributes::open(dir.path()).unwrap();
        assert_eq!(attributes.state(), Ok(ProcessorState::Offline));
        assert_eq!(
            (attributes.recovery(), attributes.firmware_is("a.elf")),
            (Ok(Recovery::Enabled), Ok(true))
        );
        std::fs::write(dir.path().join("state"), "crashed\n").unwrap();
        assert_eq!(attributes.state(), Ok(ProcessorState::Crashed));
        std::fs::write(dir.path().join("state"), b"\xff\xfe\n").unwrap();
        assert_eq!(attributes.state(), Err(Errno::ILSEQ));
    }

    #[test]
    fn a_directory_without_attributes_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Attributes::open(dir.path()).unwrap_err(), Errno::NOENT);
    }
}
