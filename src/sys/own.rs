//! Directories that are the caller's alone: whatever lies in them, nobody else has put there.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::process;

/// How many links and missing directories a path may have: as many as the kernel follows (path_resolution(7)).
const LIMIT: usize = 40;

/// Whom files of users belong to that a user namespace does not know, the machine's root among them (user_namespaces(7),
/// `/proc/sys/kernel/overflowuid`).
const UNKNOWN: u32 = 65534;

/// Why a directory is not the caller's alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Distrust {
    /// What is wrong: the directory itself, or one on the way to it.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// It belongs to this user.
    Owner(u32),
    /// Others may write there: its permission bits.
    Mode(u32),
    /// On the way: others may put another directory in the place of the next one. Its permission bits.
    Way(u32),
    /// It is a symbolic link.
    Link,
    /// It is missing, and the kernel refused to make it.
    Unmade(Errno),
    /// The kernel refused it.
    Errno(Errno),
}

/// Opens the directory `path`, if only the caller can change what is in it, and only he or root can put another one in its
/// place. With `make` it is made where it is missing, and those above it too, with mode 0700.
///
/// One name after the other, each from the descriptor of the one before: nothing is looked at by one name and opened by
/// another. Links on the way are followed as far as they are root's or the caller's; `path` itself may be none.
///
/// # Errors
/// What is wrong, and where; [`Errno::NOENT`] without `make`.
pub fn open(path: &Path, make: bool) -> Result<OwnedFd, Distrust> {
    let mut shown = PathBuf::from("/");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |errno| Distrust { path, why: Why::Errno(errno) }
    };
    let mut here = step(CWD, "/").map_err(at(&shown))?;
    let mut rest = names(path);
    let mut turns = 0;
    while let Some(name) = rest.pop() {
        check_way(&here, &shown)?;
        let next = shown.join(&name);
        let found = match step(&here, &name) {
            Err(Errno::NOENT) if make && turns < LIMIT => {
                match rustix::fs::mkdirat(&here, &name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(Distrust { path: next, why: Why::Unmade(errno) }),
                }
                turns = turns.saturating_add(1);
                rest.push(name);
                continue;
            }
            other => other.map_err(at(&next))?,
        };
        let stat = rustix::fs::fstat(&found).map_err(at(&next))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => (here, shown) = (found, next),
            FileType::Symlink if rest.is_empty() => {
                return Err(Distrust { path: path.to_owned(), why: Why::Link });
            }
            FileType::Symlink if !is_trusted(stat.st_uid) => {
                return Err(Distrust { path: next, why: Why::Owner(stat.st_uid) });
            }
            FileType::Symlink if turns < LIMIT => {
                turns = turns.saturating_add(1);
                let target = rustix::fs::readlinkat(&found, "", Vec::new()).map_err(at(&next))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    shown = PathBuf::from("/");
                    here = step(CWD, "/").map_err(at(&shown))?;
                }
                rest.append(&mut names(&target));
            }
            FileType::Symlink => return Err(at(&next)(Errno::LOOP)),
            _ => return Err(at(&next)(Errno::NOTDIR)),
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // As it was given: it may have been come to by a link.
    let opened = rustix::fs::openat(&here, ".", flags, Mode::empty()).map_err(at(path))?;
    check(&opened, path)?;
    Ok(opened)
}

/// Whether an opened directory is the caller's alone; `path` is what it is called.
///
/// # Errors
/// What is wrong with it.
pub fn check(directory: impl AsFd, path: &Path) -> Result<(), Distrust> {
    let why = match rustix::fs::fstat(directory) {
        Err(errno) => Why::Errno(errno),
        Ok(stat) if stat.st_uid != rustix::process::geteuid().as_raw() => Why::Owner(stat.st_uid),
        // An access control list for others shows in the bits of the group (acl(5)).
        Ok(stat) if stat.st_mode & 0o022 != 0 => Why::Mode(stat.st_mode & 0o7777),
        Ok(_) => return Ok(()),
    };
    Err(Distrust { path: path.to_owned(), why })
}

/// Whether nobody but its owner, the caller and root can put something else in the place of what is in a directory; `path` is
/// what it is called.
///
/// # Errors
/// What is wrong with it.
pub fn check_way(directory: impl AsFd, path: &Path) -> Result<(), Distrust> {
    let why = match rustix::fs::fstat(directory) {
        Err(errno) => Why::Errno(errno),
        Ok(stat) if !is_trusted(stat.st_uid) => Why::Owner(stat.st_uid),
        Ok(stat) if is_open(&stat) => Why::Way(stat.st_mode & 0o7777),
        Ok(_) => return Ok(()),
    };
    Err(Distrust { path: path.to_owned(), why })
}

/// Whether others may take names from a directory that are not theirs: with the sticky bit they may not (inode(7)).
fn is_open(stat: &Stat) -> bool {
    let by_others = stat.st_mode & 0o002 != 0;
    let by_group = stat.st_mode & 0o020 != 0 && stat.st_gid != 0;
    (by_others || by_group) && stat.st_mode & 0o1000 == 0
}

fn is_trusted(user: u32) -> bool {
    user == 0
        || user == rustix::process::geteuid().as_raw()
        || (user == UNKNOWN && process::is_in_user_namespace())
}

/// Opens what is called `name`, a link too, to look at it.
fn step(directory: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        (dir, path)
    }

    fn distrust(path: &Path) -> (PathBuf, Why) {
        let Distrust { path, why } = open(path, true).unwrap_err();
        (path, why)
    }

    #[test]
    fn what_is_missing_is_made_for_the_caller_alone() {
        let (_dir, place) = place();
        let state = place.join("a/b/state");
        assert_eq!(
            open(&state, false).unwrap_err(),
            Distrust { path: place.join("a"), why: Why::Errno(Errno::NOENT) }
        );
        let opened = open(&state, true).unwrap();
        assert_eq!(rustix::fs::fstat(&opened).unwrap().st_ino, state.metadata().unwrap().ino());
        for made in ["a", "a/b", "a/b/state"] {
            assert_eq!(place.join(made).metadata().unwrap().mode() & 0o7777, 0o700, "{made}");
        }
        assert!(open(&place.join("a/../a/./b//state/"), false).is_ok());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused_and_one_that_they_may_read_is_not() {
        let (_dir, place) = place();
        let state = place.join("state");
        open(&state, true).unwrap();
        for mode in [0o700, 0o711, 0o755, 0o500] {
            set(&state, mode);
            assert!(open(&state, true).is_ok(), "{mode:o}");
        }
        for mode in [0o770, 0o702, 0o1777] {
            set(&state, mode);
            assert_eq!(distrust(&state), (state.clone(), Why::Mode(mode)));
        }
    }

    #[test]
    fn a_way_that_others_may_bend_is_refused() {
        let (_dir, place) = place();
        let (way, state) = (place.join("way"), place.join("way/state"));
        open(&state, true).unwrap();
        for mode in [0o1777, 0o755, 0o1770] {
            set(&way, mode);
            assert!(open(&state, true).is_ok(), "{mode:o}");
        }
        set(&way, 0o777);
        assert_eq!(distrust(&state), (way, Why::Way(0o777)));
    }

    #[test]
    fn links_are_followed_on_the_way_and_not_at_its_end() {
        let (_dir, place) = place();
        std::fs::create_dir(place.join("real")).unwrap();
        for (link, target) in [("relative", "real"), ("absolute", place.join("real").to_str().unwrap())] {
            symlink(target, place.join(link)).unwrap();
            let state = place.join(link).join("state");
            assert!(open(&state, true).is_ok(), "{link}");
            set(&state, 0o777);
            assert_eq!(distrust(&state), (state.clone(), Why::Mode(0o777)), "by the name that was given");
            set(&state, 0o700);
            assert_eq!(distrust(&place.join(link)), (place.join(link), Why::Link));
        }
        assert!(place.join("real/state").is_dir());
        symlink("loop", place.join("loop")).unwrap();
        assert_eq!(distrust(&place.join("loop/state")), (place.join("loop"), Why::Errno(Errno::LOOP)));
        std::fs::write(place.join("file"), "").unwrap();
        for file in ["file", "file/state"] {
            assert_eq!(distrust(&place.join(file)), (place.join("file"), Why::Errno(Errno::NOTDIR)));
        }
        // What leads nowhere is not made.
        symlink("nowhere", place.join("dangling")).unwrap();
        assert_eq!(distrust(&place.join("dangling")), (place.join("dangling"), Why::Link));
        assert!(!place.join("nowhere").exists());
    }
}
