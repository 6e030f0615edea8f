//! Files that are whole or absent, paths that do not lead out, locks that do not wait forever.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::clock::{Deadline, timespec};

/// How often a lock that another process holds is tried again: flock(2) has no wait with a limit.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Opens a directory for use as a base of other calls.
pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Whether the caller may make files in a directory, by his effective ids; nothing is made.
///
/// # Errors
/// `EROFS` and `EACCES` as the making would give them, `ENOENT`, `ENOTDIR`.
pub fn may_write_in(path: &Path) -> Result<()> {
    let directory =
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::accessat(directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

/// The path without links and dots, as the kernel names what it leads to (proc_pid_fd(5)).
///
/// Not `canonicalize`: with musl that takes 8 kB of stack, which a resident process would keep, and a call for every
/// directory on the way.
///
/// # Errors
/// What the kernel says; [`Errno::NOENT`] also for what has been deleted.
pub fn real_path(path: &Path) -> Result<PathBuf> {
    let found = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::fs::fstat(&found)?.st_nlink == 0 {
        return Err(Errno::NOENT);
    }
    let name = rustix::fs::readlink(format!("/proc/self/fd/{}", found.as_raw_fd()), Vec::new())?;
    Ok(OsString::from_vec(name.into_bytes()).into())
}

/// Opens the directory `path` below `base`; neither `..` nor a link may lead out of `base` (`EXDEV`).
pub fn open_directory_beneath(base: impl AsFd, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(base, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
}

/// Opens the regular file `path` as a process with `root` as its root directory would see it.
///
/// `..` and absolute links stay inside `root` (openat2(2), `RESOLVE_IN_ROOT`, Linux 5.6).
///
/// # Errors
/// [`Errno::NOTSUP`] for anything but a regular file; otherwise what the kernel says.
pub fn open_regular_in_root(root: impl AsFd, path: &Path) -> Result<File> {
    open_regular(root, path, ResolveFlags::IN_ROOT)
}

/// Opens the regular file `path` below `base`; neither `..` nor a link may lead out of `base` (`EXDEV`).
///
/// # Errors
/// [`Errno::NOTSUP`] for anything but a regular file; otherwise what the kernel says.
pub fn open_regular_beneath(base: impl AsFd, path: &Path) -> Result<File> {
    open_regular(base, path, ResolveFlags::BENEATH)
}

/// The type is looked at before the file is opened for reading, so that a FIFO cannot block and a device is never touched.
fn open_regular(base: impl AsFd, path: &Path, resolve: ResolveFlags) -> Result<File> {
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(base, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?;
    if !FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode).is_file() {
        return Err(Errno::NOTSUP);
    }
    // The descriptor's own entry in /proc names exactly the file that was looked at.
    let same = format!("/proc/self/fd/{}", found.as_raw_fd());
    Ok(rustix::fs::open(same, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Reads the regular file `name` in `directory`, of at most `limit` bytes. A link is none.
///
/// # Errors
/// [`Errno::LOOP`] for a link, [`Errno::NOTSUP`] for anything else but a regular file, [`Errno::FBIG`] for a longer one, and
/// what the kernel says.
pub fn read_here(directory: impl AsFd, name: &str, limit: u64) -> std::io::Result<Vec<u8>> {
    read_open(open_regular(directory, Path::new(name), ResolveFlags::NO_SYMLINKS)?, limit)
}

/// Reads a file of at most `limit` bytes, whatever it is and wherever it lies.
///
/// # Errors
/// [`Errno::FBIG`] for a longer one, and what the kernel says.
pub fn read_at_most(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    // Without waiting for the writer of a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    read_open(rustix::fs::open(path, flags, Mode::empty())?.into(), limit)
}

/// Reads an opened file of at most `limit` bytes.
///
/// # Errors
/// [`Errno::FBIG`] for a longer one, and what the kernel says.
pub fn read_open(file: File, limit: u64) -> std::io::Result<Vec<u8>> {
    // Most files are shorter, and read at once then.
    let mut bytes = Vec::with_capacity(1024);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Errno::FBIG.into());
    }
    Ok(bytes)
}

/// Writes `name` in `directory` so that after a crash it is there whole or not at all: temporary file, fsync, rename,
/// fsync of the directory.
pub fn write_atomically(directory: impl AsFd, name: &str, bytes: &[u8], mode: Mode) -> std::io::Result<()> {
    make_whole(directory.as_fd(), &format!("{name}.part"), name, mode, &mut |part| write_all(part, bytes))?;
    rustix::fs::fsync(&directory).inspect_err(|_| {
        // What may not last is taken back, so that an error means the same everywhere.
        let _ = rustix::fs::unlinkat(&directory, name, AtFlags::empty());
    })?;
    Ok(())
}

/// Makes `name` in `directory` of what `write` writes, in place of an earlier one: after a crash it is there whole, or
/// what was there before. Until then it is called `part`. Allocates nothing.
///
/// # Errors
/// What `write` and the kernel say; nothing is left of it then.
pub fn make_whole(
    directory: BorrowedFd<'_>,
    part: &str,
    name: &str,
    mode: Mode,
    write: &mut dyn FnMut(&OwnedFd) -> Result<()>,
) -> Result<()> {
    let made = create_anew(directory, part, mode).and_then(|file| {
        write(&file)?;
        rustix::fs::fsync(&file)?;
        rustix::fs::renameat(directory, part, directory, name)
    });
    if made.is_err() {
        // Best effort: what matters is the first error.
        let _ = rustix::fs::unlinkat(directory, part, AtFlags::empty());
    }
    made
}

/// Makes a file for writing, in place of whatever has the name: a link is not followed, a FIFO not waited for, and nobody has
/// it open already. Allocates nothing for a short name.
pub fn create_anew(directory: impl AsFd, name: &str, mode: Mode) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(&directory, name, flags, mode) {
        Err(Errno::EXIST) => {
            remove_if_there(&directory, name)?;
            rustix::fs::openat(&directory, name, flags, mode)
        }
        other => other,
    }
}

/// Removes a file, a link or a FIFO; one that is not there is no error.
pub fn remove_if_there(directory: impl AsFd, name: impl rustix::path::Arg) -> Result<()> {
    let name = name.into_c_str()?;
    match rustix::fs::unlinkat(&directory, &*name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        // A read-only file system says so before it looks whether the file is there.
        Err(e) => match rustix::fs::statat(&directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            _ => Err(e),
        },
        Ok(()) => Ok(()),
    }
}

/// Makes a directory and those above it; one that is there is taken as it is. Not std's way, which takes 2 kB of code.
pub fn make_directories(path: &Path, mode: Mode) -> Result<()> {
    match (rustix::fs::mkdir(path, mode), path.parent()) {
        (Err(Errno::NOENT), Some(parent)) if !parent.as_os_str().is_empty() => {
            make_directories(parent, mode)?;
            rustix::fs::mkdir(path, mode)
        }
        (Err(Errno::EXIST), _) if path.is_dir() => Ok(()),
        (made, _) => made,
    }
}

/// What is in a directory, all of it or an error: half a list would hide the rest. Nothing where it is missing.
pub fn entries(path: &Path) -> Result<Vec<Entry>> {
    each_entry(path)?.collect()
}

/// The same, one after the other: a resident process keeps what it takes of memory.
///
/// Not `std::fs::read_dir`, which panics when its close fails.
pub fn each_entry(path: &Path) -> Result<impl Iterator<Item = Result<Entry>>> {
    let directory = match open_directory(path) {
        Err(Errno::NOENT) => None,
        other => Some(Dir::new(other?)?),
    };
    Ok(directory.into_iter().flatten().filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(errno) => return Some(Err(errno)),
        };
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        let is_content = name != "." && name != "..";
        is_content.then(|| Ok(Entry { path: path.join(&name), kind: entry.file_type(), name }))
    }))
}

/// What is in a directory under a name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name alone.
    pub name: OsString,
    /// With the directory's path before it.
    pub path: PathBuf,
    kind: FileType,
}

impl Entry {
    /// Whether it is a directory itself, and no link to one.
    pub fn is_directory(&self) -> bool {
        match self.kind {
            // Not every file system tells with the name.
            FileType::Unknown => {
                rustix::fs::lstat(&self.path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
            }
            kind => kind.is_dir(),
        }
    }
}

/// Removes a path as [`remove_if_there`] does.
pub fn remove_path_if_there(path: &Path) -> Result<()> {
    remove_if_there(CWD, path)
}

/// Writes all of `bytes`. Allocates nothing.
pub fn write_all(file: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, bytes))?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Whether a write does not wait now: a pipe or terminal has room, a file is one, or nobody will ever read it and the write
/// says so.
pub fn takes_now(file: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&file, PollFlags::OUT)];
    matches!(rustix::event::poll(&mut fds, Some(&timespec(Duration::ZERO))), Ok(1..))
}

/// Takes an exclusive lock at once, or says that somebody else has it.
pub fn try_lock(file: impl AsFd) -> Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Takes an exclusive lock, waiting for it until `deadline`; whether it was had.
pub fn lock_until(file: impl AsFd, deadline: Deadline) -> Result<bool> {
    loop {
        if try_lock(&file)? {
            return Ok(true);
        }
        if deadline.passed() {
            return Ok(false);
        }
        std::thread::sleep(LOCK_RETRY.min(deadline.left()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/sub")).unwrap();
        std::fs::write(dir.path().join("outside"), "outside").unwrap();
        std::fs::write(dir.path().join("root/inside"), "inside").unwrap();
        dir
    }

    fn read(root: &Path, name: &str) -> std::result::Result<String, Errno> {
        let mut text = String::new();
        open_regular_in_root(open_directory(root).unwrap(), Path::new(name))?
            .read_to_string(&mut text)
            .unwrap();
        Ok(text)
    }

    #[test]
    fn a_root_file_system_is_not_left_by_dots_or_links() {
        let dir = tree();
        let root = dir.path().join("root");
        symlink(dir.path().join("outside"), root.join("absolute")).unwrap();
        symlink("../outside", root.join("relative")).unwrap();
        symlink("/inside", root.join("within")).unwrap();
        assert_eq!(read(&root, "/inside").unwrap(), "inside");
        assert_eq!(read(&root, "../../inside").unwrap(), "inside", "`..` at the top stays at the top");
        assert_eq!(read(&root, "within").unwrap(), "inside");
        for name in ["../outside", "absolute", "relative"] {
            assert_eq!(read(&root, name), Err(Errno::NOENT), "{name}");
        }
    }

    #[test]
    fn a_real_path_has_no_links_and_no_dots() {
        let dir = tree();
        let real = dir.path().canonicalize().unwrap();
        symlink("root/sub", dir.path().join("link")).unwrap();
        for (path, expected) in
            [("link", "root/sub"), ("root/sub/../inside", "root/inside"), ("link/..", "root")]
        {
            assert_eq!(real_path(&dir.path().join(path)).unwrap(), real.join(expected), "{path}");
        }
        assert_eq!(real_path(Path::new("/")).unwrap(), Path::new("/"));
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        assert_eq!(real_path(&dir.path().join("dangling")), Err(Errno::NOENT));
        // Deleted, and still reached by a descriptor: the kernel's name for it would be that of another file.
        let gone = File::create(dir.path().join("gone")).unwrap();
        std::fs::remove_file(dir.path().join("gone")).unwrap();
        assert_eq!(real_path(Path::new(&format!("/proc/self/fd/{}", gone.as_raw_fd()))), Err(Errno::NOENT));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tree();
        let root = dir.path().join("root");
        let base = open_directory(&root).unwrap();
        rustix::fs::mkfifoat(&base, "fifo", Mode::RUSR).unwrap();
        for name in ["fifo", "sub", "/"] {
            assert_eq!(read(&root, name), Err(Errno::NOTSUP), "{name}");
        }
    }

    #[test]
    fn atomic_writes_replace_and_leave_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let base = open_directory(dir.path()).unwrap();
        for text in ["first", "second"] {
            write_atomically(&base, "record", text.as_bytes(), Mode::RUSR).unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("record")).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_whole_leaves_the_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let base = open_directory(dir.path()).unwrap();
        let make = |text: &str, result: Result<()>| {
            make_whole(base.as_fd(), "part", "file", Mode::RUSR, &mut |part| {
                write_all(part, text.as_bytes())?;
                assert!(!dir.path().join("file").exists() || text != "first", "it comes when it is whole");
                result
            })
        };
        assert_eq!(make("first", Ok(())), Ok(()));
        assert_eq!(make("half of the sec", Err(Errno::NOSPC)), Err(Errno::NOSPC));
        assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), "first");
        assert!(!dir.path().join("part").exists());
    }

    #[test]
    fn directories_are_made_with_those_above_and_not_over_a_file() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("a/b/c"), dir.path().join("a/b")] {
            make_directories(&path, Mode::RWXU).unwrap();
            assert!(path.is_dir());
        }
        std::fs::write(dir.path().join("file"), "").unwrap();
        for (path, errno) in [("file", Errno::EXIST), ("file/below", Errno::NOTDIR), ("", Errno::NOENT)] {
            let path = if path.is_empty() { PathBuf::new() } else { dir.path().join(path) };
            assert_eq!(make_directories(&path, Mode::RWXU), Err(errno), "{}", path.display());
        }
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        let base = open_directory(dir.path()).unwrap();
        for limit in [5, 6, u64::MAX - 1, u64::MAX] {
            assert_eq!(read_here(&base, "file", limit).unwrap(), b"12345", "{limit}");
        }
        let too_long = read_here(&base, "file", 4).unwrap_err();
        assert_eq!(Errno::from_io_error(&too_long), Some(Errno::FBIG));
    }

    #[test]
    fn a_link_is_no_file_of_a_directory_and_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let base = open_directory(dir.path()).unwrap();
        std::fs::write(dir.path().join("precious"), "precious").unwrap();
        symlink("precious", dir.path().join("link")).unwrap();
        let refused = read_here(&base, "link", 100).unwrap_err();
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::LOOP));
        assert!(open_regular_beneath(&base, Path::new("link")).is_ok(), "it does not lead out");
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        assert_eq!(open_regular_beneath(&base, Path::new("out")).unwrap_err(), Errno::XDEV);
        let mode = Mode::RUSR | Mode::WUSR;
        File::from(create_anew(&base, "link", mode).unwrap()).write_all(b"new").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("precious")).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(dir.path().join("link")).unwrap(), "new");
        rustix::fs::mkfifoat(&base, "record.part", Mode::RUSR).unwrap();
        write_atomically(&base, "record", b"whole", mode).unwrap();
        assert_eq!(read_here(&base, "record", 100).unwrap(), b"whole");
    }

    #[test]
    fn a_lock_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (open_directory(dir.path()).unwrap(), open_directory(dir.path()).unwrap());
        assert!(try_lock(&first).unwrap());
        assert!(!try_lock(&second).unwrap());
        assert!(!lock_until(&second, Deadline::after(Duration::from_millis(30))).unwrap());
        drop(first);
        assert!(lock_until(&second, Deadline::after(Duration::from_secs(5))).unwrap());
    }
}
