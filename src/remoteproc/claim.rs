//! One owner a processor: an exclusive flock on its sysfs directory, from boot to stop.
//!
//! Every state directory on the machine shares it, and it ends with the process that holds it.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::processor::Processor;
use crate::sys::{files, process};

/// How often the lock is tried while nobody is seen to hold it.
const TRIES: usize = 10;

/// The lock on a processor.
#[derive(Debug)]
pub struct Claim {
    /// Held for its lock; none where a lesser user's lock was passed over.
    _directory: Option<OwnedFd>,
    /// The pid of the lesser user's process whose lock was passed over.
    pub passed_over: Option<i32>,
}

/// Somebody else has the processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// This process; 0 when it cannot be seen from here (another pid namespace).
    By(i32),
    /// The lock could not even be tried.
    Failed(Errno),
}

impl Claim {
    /// Takes the processor if nobody has it.
    ///
    /// Whoever can read sysfs can take the lock. So that no user can keep root from a processor, root passes over the
    /// lock of a process that is not root's.
    ///
    /// # Errors
    /// [`Held`]: by whom, or why the lock could not be tried.
    pub fn take(processor: &Processor) -> Result<Self, Held> {
        let directory = files::open_directory(&processor.path).map_err(Held::Failed)?;
        let mut found = None;
        for _ in 0..TRIES {
            if files::try_lock(&directory).map_err(Held::Failed)? {
                return Ok(Self { _directory: Some(directory), passed_over: None });
            }
            found = holder(&directory);
            if found.is_some() {
                break;
            }
            // Whoever had it let go while we looked, or lives in another pid namespace.
        }
        let holder = found.unwrap_or(0);
        match process::owner(holder) {
            Some(user) if user != 0 && process::is_root() => {
                Ok(Self { _directory: None, passed_over: Some(holder) })
            }
            _ => Err(Held::By(holder)),
        }
    }
}

/// Who holds the lock on a processor, without trying it: a start at the same moment must not find it taken. `None` where
/// nobody does, or whoever does lives in another pid namespace.
pub fn holder_of(processor: &Processor) -> Option<i32> {
    holder(&files::open_directory(&processor.path).ok()?)
}

/// Who holds the flock on an open file, by /proc/locks (proc_locks(5)).
fn holder(file: &OwnedFd) -> Option<i32> {
    let stat = rustix::fs::fstat(file).ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let inode = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    find_holder(&std::fs::read_to_string("/proc/locks").ok()?, &inode)
}

/// A line: `1: FLOCK  ADVISORY  WRITE 1234 00:1b:57 0 EOF`; a waiter's has `->` behind the number.
pub fn find_holder(locks: &str, inode: &str) -> Option<i32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [_, "FLOCK", _, _, pid, file, ..] if *file == inode => pid.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoteproc::Identity;

    #[test]
    fn the_holder_is_found_among_waiters_and_other_files() {
        let locks = "1: POSIX  ADVISORY  WRITE 5 00:1b:57 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 00:1b:5 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 7 00:1b:57 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 8 00:1b:57 0 EOF\n\
                     garbage\n";
        assert_eq!(find_holder(locks, "00:1b:57"), Some(7));
        assert_eq!(find_holder(locks, "00:1b:9"), None);
    }

    #[test]
    fn a_processor_is_claimed_once() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity { name: "m4".into(), device: dir.path().into() };
        let processor = Processor { identity, path: dir.path().into() };
        let claim = Claim::take(&processor).unwrap();
        assert_eq!(claim.passed_over, None);
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holder_of(&processor), Some(me));
        assert_eq!(Claim::take(&processor).unwrap_err(), Held::By(me));
        drop(claim);
        assert_eq!(holder_of(&processor), None);
        assert!(Claim::take(&processor).is_ok());
    }

    #[test]
    fn a_processor_that_is_gone_cannot_be_claimed() {
        let identity = Identity { name: "m4".into(), device: "/gone".into() };
        let processor = Processor { identity, path: "/gone".into() };
        assert_eq!(Claim::take(&processor).unwrap_err(), Held::Failed(Errno::NOENT));
    }
}
