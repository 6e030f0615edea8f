//! Processes by pid **and** start time, so that a reused pid is never taken for the process that was meant.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::clock::{Deadline, timespec};

/// What `/proc/PID/stat` tells of a process (proc_pid_stat(5)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// The name the process gave itself, at most 15 bytes (field 2).
    pub comm: String,
    /// The state letter, `Z` for a zombie (field 3).
    pub state: char,
    /// Clock ticks after boot at which it started (field 22).
    pub start_time: u64,
}

impl Observed {
    /// Whether it still executes: a zombie only waits to be reaped.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Looks at a process; `None` when there is none of that pid.
///
/// # Errors
/// When it cannot be told: for want of a descriptor or of memory.
pub fn observe(pid: i32) -> Result<Option<Observed>> {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        // Names are bytes, and need be no text.
        Ok(stat) => Ok(parse_stat(&String::from_utf8_lossy(&stat))),
        Err(error) => match Errno::from_io_error(&error) {
            // Reaped before it was opened, or before it was read.
            Some(Errno::NOENT | Errno::SRCH) => Ok(None),
            errno => Err(errno.unwrap_or(Errno::IO)),
        },
    }
}

/// Reads a line of `/proc/PID/stat`. Field 2 may itself hold spaces and brackets, so the rest is counted from its last
/// closing one.
#[doc(hidden)]
pub fn parse_stat(stat: &str) -> Option<Observed> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let (_, comm) = head.split_once('(')?;
    let mut fields = tail.split(' ');
    let state = fields.next()?.chars().next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some(Observed { comm: comm.to_owned(), state, start_time })
}

/// The arguments a process was started with; empty for a zombie or a process that is gone.
pub fn arguments(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// The user a process runs as.
pub fn owner(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

/// Whether the caller is the machine's root: not only that of a user namespace, who sees other users' processes, the real
/// root's among them, as nobody's.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root() && !is_in_user_namespace()
}

/// Whether the caller lives in a user namespace of its own, which knows some users only.
pub fn is_in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !is_whole(&map)
}

/// Whether a map of user ids is the one of the initial namespace: all of them, each to itself (user_namespaces(7)).
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// A living process held by a pidfd, which cannot come to mean another one.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// The process `pid` that started at `start_time`; `None` when it has ended.
    pub fn open(pid: i32, start_time: u64) -> Result<Option<Self>> {
        let Some(raw) = Pid::from_raw(pid) else { return Ok(None) };
        let fd = match rustix::process::pidfd_open(raw, PidfdFlags::empty()) {
            Ok(fd) => fd,
            // EINVAL: reaped while the kernel looked (kernel/fork.c, `pidfd_prepare`); newer kernels say ESRCH.
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        // Looked at after the descriptor was had: if the start time is right now, the descriptor is right for good.
        match observe(pid)? {
            Some(seen) if seen.start_time == start_time && seen.is_alive() => Ok(Some(Self(fd))),
            _ => Ok(None),
        }
    }

    /// Sends a signal; one to a process that has just ended is no error.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match rustix::process::pidfd_send_signal(&self.0, signal) {
            Err(Errno::SRCH) => Ok(()),
            other => other,
        }
    }

    /// Waits until the process has ended; whether it did before the deadline.
    pub fn wait_until(&self, deadline: Deadline) -> Result<bool> {
        let mut fds = [self.poll_fd()];
        poll_until(&mut fds, deadline)?;
        Ok(!fds[0].revents().is_empty())
    }

    /// For a poll(2) beside other descriptors: readable once the process has ended.
    pub fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN)
    }
}

/// poll(2) until something happens or the deadline passes, over interruptions.
pub fn poll_until(fds: &mut [PollFd<'_>], deadline: Deadline) -> Result<()> {
    loop {
        match rustix::event::poll(fds, Some(&timespec(deadline.left()))) {
            Err(Errno::INTR) => {}
            other => return other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) Z 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let seen = parse_stat(stat).unwrap();
        assert_eq!((seen.comm.as_str(), seen.state, seen.start_time), ("a) b (c", 'Z', 4242));
        assert!(!seen.is_alive());
    }

    #[test]
    fn root_of_a_user_namespace_is_not_the_machine_s() {
        assert!(is_whole("         0          0 4294967295\n"));
        assert!(!is_whole("         0       1000          1\n         1     100000      65536\n"));
        assert!(!is_whole(""));
    }

    #[test]
    fn malformed_lines_are_no_process() {
        for line in ["", "7", "7 (x", "7 (x) S 1 2", "7 (x) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 x 0"] {
            assert_eq!(parse_stat(line), None, "{line}");
        }
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = i32::try_from(std::process::id()).unwrap();
        let start = observe(me).unwrap().unwrap().start_time;
        assert!(Process::open(me, start).unwrap().is_some());
        assert!(Process::open(me, start + 1).unwrap().is_none());
        assert!(Process::open(0, start).unwrap().is_none());
    }

    #[test]
    fn a_process_whose_name_is_no_text_is_one() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(std::ffi::OsStr::from_bytes(b"m4-\xff"));
        std::fs::copy("/bin/sleep", &program).unwrap();
        let mut child = std::process::Command::new(&program).arg("60").spawn().unwrap();
        let seen = observe(i32::try_from(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen.unwrap().unwrap().comm, "m4-\u{fffd}");
    }

    #[test]
    fn a_zombie_is_not_opened_and_waiting_ends_with_the_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = observe(pid).unwrap().unwrap().start_time;
        let process = Process::open(pid, start).unwrap().unwrap();
        assert!(!process.wait_until(Deadline::after(Duration::ZERO)).unwrap());
        process.signal(Signal::KILL).unwrap();
        assert!(process.wait_until(Deadline::after(Duration::from_secs(10))).unwrap());
        assert!(Process::open(pid, start).unwrap().is_none(), "not reaped yet, but dead");
        child.wait().unwrap();
    }
}
