//! The directory of a container: its lock, and what lies in it.
//!
//! record.json       what create knew; absent until create is done
//! firmware          a link to the stored firmware, made before that is: it shows what a killed create stored
//! settings          a link that says what was changed of the processor's settings
//! coredump          the processor's memory after its last crash
//! trace             the last that its firmware wrote to its trace buffers
//! start, kill       FIFOs by which the proxy answers; the second goes once it has stopped the processor

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::evidence;
use super::id::ContainerId;
use super::record::Record;
use super::settings::SETTINGS;
use crate::error::{Error, Result};
use crate::firmware::StoredFirmware;
use crate::sys::clock::Deadline;
use crate::sys::files;

pub(super) const RECORD: &str = "record.json";
const FIRMWARE: &str = "firmware";

/// The FIFO by which the proxy answers create and start.
pub const START_FIFO: &str = "start";
/// The FIFO by which the proxy answers kill.
pub const KILL_FIFO: &str = "kill";

/// The largest record that is read, in bytes: annotations come from a config of at most 8 MiB, JSON may escape them.
const RECORD_LIMIT: u64 = 64 << 20;

/// How long whoever holds the lock of a container without a record has to finish: mostly a few system calls.
const BRIEF: Duration = Duration::from_millis(200);

/// What a directory in the state directory turned out to be.
#[derive(Debug)]
pub enum Seen {
    /// A container.
    Recorded(Box<Record>),
    /// One that a create is still at work on.
    BeingCreated,
    /// What a killed create left.
    Remains,
}

/// The directory of a container.
#[derive(Debug)]
pub struct Container {
    /// The container's id.
    pub id: ContainerId,
    /// Its directory, absolute.
    pub path: PathBuf,
    pub(super) directory: OwnedFd,
}

impl Container {
    /// Takes the container's lock, waiting until `deadline`; whether it was had. It ends with this value.
    ///
    /// # Errors
    /// [`Error::DoesNotExist`] when the container was deleted meanwhile.
    pub fn lock(&self, deadline: Deadline) -> Result<bool> {
        let locked =
            files::lock_until(&self.directory, deadline).map_err(|e| Error::io("lock", &self.path, e))?;
        self.is_there()?;
        Ok(locked)
    }

    /// The directory is still the one of this id.
    fn is_there(&self) -> Result<()> {
        let held = rustix::fs::fstat(&self.directory).map_err(|e| Error::io("inspect", &self.path, e))?;
        match rustix::fs::statat(&self.directory, self.name_from_within(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => Ok(()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Err(Error::DoesNotExist),
            Err(e) => Err(Error::io("inspect", &self.path, e)),
        }
    }

    /// Its name as seen from its directory: a path could be another one's by now.
    fn name_from_within(&self) -> PathBuf {
        Path::new("..").join(self.id.as_str())
    }

    /// What this is. A create that is just about to be done, and a delete that has removed the record and not yet the
    /// directory, are given a moment.
    ///
    /// # Errors
    /// [`Error::DoesNotExist`] when it was deleted meanwhile; [`Error::Invalid`] for a damaged record.
    pub fn look(&self) -> Result<Seen> {
        self.look_until(Deadline::after(BRIEF))
    }

    pub(super) fn look_until(&self, deadline: Deadline) -> Result<Seen> {
        if let Some(record) = self.record()? {
            return Ok(Seen::Recorded(Box::new(record)));
        }
        // A descriptor of its own: the lock is let go at once.
        let again = match open_again(&self.directory) {
            Err(Errno::NOENT) => return Err(Error::DoesNotExist),
            other => other.map_err(|e| Error::io("open", &self.path, e))?,
        };
        let finished = files::lock_until(&again, deadline).map_err(|e| Error::io("lock", &self.path, e))?;
        self.is_there()?;
        Ok(match self.record()? {
            Some(record) => Seen::Recorded(Box::new(record)),
            None if finished => Seen::Remains,
            None => Seen::BeingCreated,
        })
    }

    /// The record; `None` until create is done.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is damaged.
    pub fn record(&self) -> Result<Option<Record>> {
        let path = self.path.join(RECORD);
        let damaged = |problem: &str| Error::invalid(format!("{} {problem}", path.display()));
        match files::read_here(&self.directory, RECORD, RECORD_LIMIT) {
            Ok(bytes) => Record::parse(&bytes).map(Some).map_err(|problem| damaged(&problem)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT) => Ok(None),
                Some(Errno::LOOP | Errno::NOTSUP) => Err(damaged("is damaged: it is not a regular file")),
                _ => Err(Error::io("read", path, error)),
            },
        }
    }

    /// Writes the record: from here on the container exists.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_record(&self, record: &Record) -> Result<()> {
        files::write_atomically(&self.directory, RECORD, &record.to_json(), Mode::RUSR | Mode::WUSR)
            .map_err(|e| Error::io("write", self.path.join(RECORD), e))
    }

    /// Notes which file is about to be stored, for whoever has to clear up after a killed create.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note_firmware(&self, firmware: &Path) -> Result<()> {
        rustix::fs::symlinkat(firmware, &self.directory, FIRMWARE)
            .map_err(|e| Error::io("write", self.path.join(FIRMWARE), e))
    }

    /// The file noted by [`Container::note_firmware`]; a name that no stored firmware has is none.
    ///
    /// # Errors
    /// What the file system says: then nobody knows what may lie there.
    pub fn noted_firmware(&self) -> Result<Option<StoredFirmware>> {
        match rustix::fs::readlinkat(&self.directory, FIRMWARE, Vec::new()) {
            Ok(target) => Ok(target.to_str().ok().and_then(|target| StoredFirmware::noted(target.into()))),
            // No note, or no link.
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(e) => Err(Error::io("read", self.path.join(FIRMWARE), e)),
        }
    }

    /// Makes the FIFOs by which the proxy answers.
    ///
    /// # Errors
    /// What the file system says.
    pub fn make_fifos(&self) -> Result<()> {
        for name in [START_FIFO, KILL_FIFO] {
            rustix::fs::mkfifoat(&self.directory, name, Mode::RUSR | Mode::WUSR)
                .map_err(|e| Error::io("make", self.path.join(name), e))?;
        }
        Ok(())
    }

    /// Removes the container: the record first, so that what is left by a kill here is the remains of a create.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self) -> Result<()> {
        self.remove_files()?;
        match rustix::fs::unlinkat(&self.directory, self.name_from_within(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::io("remove", &self.path, e)),
        }
    }

    /// Removes what create made in the directory.
    pub(super) fn remove_files(&self) -> Result<()> {
        let part = format!("{RECORD}.part");
        let names = [RECORD, &part, START_FIFO, KILL_FIFO, FIRMWARE, SETTINGS];
        for name in names.into_iter().chain(evidence::FILES) {
            files::remove_if_there(&self.directory, name)
                .map_err(|e| Error::io("remove", self.path.join(name), e))?;
        }
        Ok(())
    }
}

impl AsFd for Container {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Notes that the processor has been seen to stop, and has nothing of the container's left to be stopped: by taking the FIFO
/// away that asks for it. Allocates nothing.
pub fn note_stopped(container: impl AsFd) {
    // One that stays costs a stop more.
    let _ = rustix::fs::unlinkat(container, KILL_FIFO, AtFlags::empty());
}

/// Whether that is noted of the container at `path`.
pub fn is_noted_stopped(path: &Path) -> bool {
    path.join(KILL_FIFO).symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// Whether the container in this directory is recorded, with process `pid` as its proxy.
pub fn is_recorded(directory: impl AsFd, pid: i32) -> bool {
    files::read_here(directory, RECORD, RECORD_LIMIT)
        .is_ok_and(|bytes| Record::parse(&bytes).is_ok_and(|record| record.proxy.pid == pid))
}

/// The directory by a descriptor of its own, whose lock ends with it.
pub(super) fn open_again(directory: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, ".", flags, Mode::empty())
}
