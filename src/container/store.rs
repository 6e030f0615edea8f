//! The state directory: one directory a container, and what a killed create leaves.
//!
//! The lock on a container is a flock on its directory, the one on the state directory a flock on that: neither needs a
//! file, and both end with the process.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::directory::{Container, Seen, open_again};
use super::id::ContainerId;
use super::record::Record;
use super::settings::SETTINGS;
use super::trust;
use crate::error::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::files::Entry;
use crate::sys::own::{self, Why};
use crate::sys::{files, process, sorted};

/// How long the state directory's lock is waited for; it is only ever held for a few system calls.
const SHORT: Duration = Duration::from_secs(10);

/// How long a new container's lock is waited for: `state` and `list` try it for an instant.
const INSTANT: Duration = Duration::from_secs(1);

/// How often a create looks again when deletes come in between.
const TRIES: usize = 10;

/// The state directory.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// What was opened is looked at once.
    opened: OnceCell<OwnedFd>,
}

impl Store {
    /// The state directory of `--root`, or the caller's default.
    ///
    /// # Errors
    /// For a user without XDG_RUNTIME_DIR and without `--root`.
    pub fn new(root: Option<&Path>) -> Result<Self> {
        let root = match root {
            Some(root) => std::path::absolute(root).map_err(|e| Error::io("resolve", root, e))?,
            None if process::is_root() => PathBuf::from("/run/remoteproc-runtime"),
            None => {
                let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute());
                let runtime = runtime.ok_or_else(|| {
                    Error::invalid("no state directory: set XDG_RUNTIME_DIR, or give one with --root")
                })?;
                Path::new(&runtime).join("remoteproc-runtime")
            }
        };
        Ok(Self { root, opened: OnceCell::new() })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes and locks the directory of a new container; one that a killed create left is taken over, with `clear`
    /// called first to undo what that create had done.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the id is taken; [`Error::Io`] when the directory cannot be made; [`Error::State`] when the
    /// state directory is not the caller's alone.
    pub fn create(&self, id: &ContainerId, clear: impl Fn(&Container) -> Result<()>) -> Result<Container> {
        let root = self.open_root(true)?;
        // Between making a directory and locking it nobody may take it for the remains of a killed create. A descriptor of its
        // own: a run that goes on for days holds the other.
        let lock = open_again(root).map_err(|e| Error::io("open", &self.root, e))?;
        if !files::lock_until(&lock, Deadline::after(SHORT)).map_err(|e| Error::io("lock", &self.root, e))? {
            return Err(Error::io("lock", &self.root, Errno::AGAIN));
        }
        for _ in 0..TRIES {
            match self.claim(root, id, &clear) {
                // A delete removed it between our looking and our locking.
                Err(Error::DoesNotExist) => {}
                other => return other,
            }
        }
        Err(Error::AlreadyExists)
    }

    fn claim(
        &self,
        root: &OwnedFd,
        id: &ContainerId,
        clear: impl Fn(&Container) -> Result<()>,
    ) -> Result<Container> {
        let made = match rustix::fs::mkdirat(root, id.as_str(), Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(e) => return Err(Error::io("make the container's directory", self.path(id), e)),
        };
        let claimed = self.take(root, id, made, clear);
        if made && claimed.is_err() {
            // Not one that somebody has put something into meanwhile.
            let _ = rustix::fs::unlinkat(root, id.as_str(), AtFlags::REMOVEDIR);
        }
        claimed
    }

    fn take(
        &self,
        root: &OwnedFd,
        id: &ContainerId,
        made: bool,
        clear: impl Fn(&Container) -> Result<()>,
    ) -> Result<Container> {
        let container = self.open_in(root, id)?;
        let wait = if made { INSTANT } else { Duration::ZERO };
        if !container.lock(Deadline::after(wait))? || container.record()?.is_some() {
            return Err(Error::AlreadyExists);
        }
        if !made {
            clear(&container)?;
            container.remove_files()?;
        }
        Ok(container)
    }

    /// Opens the directory of a container, without its lock.
    ///
    /// # Errors
    /// [`Error::DoesNotExist`]; [`Error::Io`] when it cannot be opened; [`Error::State`] when it, or the state directory, is
    /// not the caller's alone.
    pub fn open(&self, id: &ContainerId) -> Result<Container> {
        match self.root_if_there()? {
            Some(root) => self.open_in(root, id),
            None => Err(Error::DoesNotExist),
        }
    }

    fn open_in(&self, root: &OwnedFd, id: &ContainerId) -> Result<Container> {
        let path = self.path(id);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::openat(root, id.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Err(Error::DoesNotExist),
            other => other.map_err(|e| Error::io("open", &path, e))?,
        };
        // Others may have written to the state directory before it became the caller's alone.
        own::check(&directory, &path).map_err(|distrust| trust::refusal(&path, &distrust))?;
        Ok(Container { id: id.clone(), path, directory })
    }

    /// Opens a container that create has finished, with its record.
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::DoesNotExist`] for what a killed create left; [`Error::WrongStatus`] while create is
    /// at work; [`Error::Invalid`] for a damaged record.
    pub fn load(&self, id: &ContainerId, verb: &'static str) -> Result<(Container, Record)> {
        let container = self.open(id)?;
        match container.look()? {
            Seen::Recorded(record) => Ok((container, *record)),
            Seen::BeingCreated => Err(Error::WrongStatus {
                verb,
                status: "creating",
                needs: "created",
                hint: "wait for create to end".to_owned(),
            }),
            Seen::Remains => Err(Error::DoesNotExist),
        }
    }

    /// The ids of all containers, sorted: whatever else lies here is none.
    ///
    /// # Errors
    /// When the state directory cannot be read, or is not the caller's alone; one that is missing is empty.
    pub fn ids(&self) -> Result<Vec<ContainerId>> {
        let mut ids: Vec<ContainerId> = Vec::new();
        for id in self.unsorted()? {
            let id = id?;
            let name = id.as_str().to_owned();
            sorted::insert(&mut ids, id, |known| known.as_str() < name.as_str());
        }
        Ok(ids)
    }

    /// The same, one after the other as they are read: a resident process keeps what it takes of memory.
    ///
    /// # Errors
    /// As [`Store::ids`].
    pub fn unsorted(&self) -> Result<impl Iterator<Item = Result<ContainerId>>> {
        let failed = |e| Error::io("list", &self.root, e);
        let entries = match self.root_if_there()? {
            Some(_) => Some(files::each_entry(&self.root).map_err(failed)?),
            None => None,
        };
        let id = |entry: Entry| {
            entry.name.to_str().filter(|_| entry.is_directory()).and_then(|name| ContainerId::new(name).ok())
        };
        let entries = entries.into_iter().flatten();
        Ok(entries.filter_map(move |entry| entry.map(id).map_err(failed).transpose()))
    }

    /// Whether a container may have noted settings: one call, where all are asked.
    pub fn may_have_noted_settings(&self, id: &ContainerId) -> bool {
        let noted = rustix::fs::readlink(self.path(id).join(SETTINGS), Vec::new());
        noted.err() != Some(Errno::NOENT)
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// The opened directory; `None` where it is missing.
    ///
    /// # Errors
    /// [`Error::State`] when it is not the caller's alone, or others could put another one in its place; [`Error::Io`] when it
    /// cannot be opened.
    pub fn root_if_there(&self) -> Result<Option<&OwnedFd>> {
        match self.open_root(false) {
            Err(Error::DoesNotExist) => Ok(None),
            other => other.map(Some),
        }
    }

    fn open_root(&self, make: bool) -> Result<&OwnedFd> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = own::open(&self.root, make).map_err(|distrust| match distrust.why {
            Why::Errno(Errno::NOENT) if !make => Error::DoesNotExist,
            _ => trust::refusal(&self.root, &distrust),
        })?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::RECORD;
    use super::*;

    fn store() -> (tempfile::TempDir, Store, ContainerId) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(Some(&dir.path().join("state"))).unwrap();
        (dir, store, ContainerId::new("x").unwrap())
    }

    fn no_clear(_: &Container) -> Result<()> {
        panic!("nothing to clear")
    }

    #[test]
    fn an_id_is_taken_while_its_create_is_at_work_and_free_when_that_died() {
        let (_dir, store, id) = store();
        let first = store.create(&id, no_clear).unwrap();
        assert!(matches!(first.look(), Ok(Seen::BeingCreated)));
        assert!(matches!(store.create(&id, no_clear), Err(Error::AlreadyExists)));
        assert!(matches!(store.load(&id, "start"), Err(Error::WrongStatus { .. })));
        first.note_firmware(Path::new("/lib/firmware/fw-20250101T000000Z-00000000c0ffee00")).unwrap();
        first.make_fifos().unwrap();
        drop(first);
        assert!(matches!(store.load(&id, "start"), Err(Error::DoesNotExist)));
        let cleared = std::cell::Cell::new(None);
        let second = store
            .create(&id, |container| {
                cleared.set(container.noted_firmware().unwrap());
                Ok(())
            })
            .unwrap();
        assert_eq!(
            cleared.take().unwrap().path,
            Path::new("/lib/firmware/fw-20250101T000000Z-00000000c0ffee00")
        );
        assert!(second.noted_firmware().unwrap().is_none());
        second.make_fifos().unwrap();
        second.remove().unwrap();
        assert!(matches!(store.open(&id), Err(Error::DoesNotExist)));
    }

    #[test]
    fn a_container_deleted_while_its_lock_is_waited_for_does_not_exist() {
        let (_dir, store, id) = store();
        let container = store.create(&id, no_clear).unwrap();
        let waiting = store.open(&id).unwrap();
        container.remove().unwrap();
        drop(container);
        let _ = store.create(&id, no_clear).unwrap();
        assert!(matches!(waiting.lock(Deadline::after(SHORT)), Err(Error::DoesNotExist)));
    }

    #[test]
    fn whoever_is_about_to_finish_is_not_taken_for_a_create() {
        let (_dir, store, id) = store();
        for deleted in [true, false] {
            let container = store.create(&id, no_clear).unwrap();
            let seen = store.open(&id).unwrap();
            // Its lock is held and it has no record: as in the middle of a delete, and just before the end of a create.
            let other = std::thread::spawn(move || match deleted {
                true => container.remove().unwrap(),
                false => std::fs::write(container.path.join(RECORD), "{").unwrap(),
            });
            let told = seen.look_until(Deadline::after(SHORT)).map(drop).unwrap_err().to_string();
            other.join().unwrap();
            assert!(told.contains(if deleted { "does not exist" } else { "is damaged" }), "{told}");
        }
    }

    #[test]
    fn damaged_records_and_foreign_names_do_not_hide_the_others() {
        let (dir, store, id) = store();
        let container = store.create(&id, no_clear).unwrap();
        std::fs::write(container.path.join(RECORD), "{").unwrap();
        std::fs::write(dir.path().join("state/a b"), "").unwrap();
        assert!(store.load(&id, "start").unwrap_err().to_string().contains("is damaged"));
        assert_eq!(store.ids().unwrap(), [id]);
    }
}
