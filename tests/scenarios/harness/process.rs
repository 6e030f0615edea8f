//! Proxies seen from outside. The test process is their subreaper: it adopts them when their create ends, and so learns
//! their exit codes, as an engine's shim does.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};

use super::PATIENCE;

pub fn adopt_orphans() {
    rustix::process::set_child_subreaper(Pid::from_raw(1)).unwrap();
}

/// Waits until a process has ended.
#[track_caller]
pub fn wait_for_end(pid: i32) {
    let Ok(fd) = rustix::process::pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
        return;
    };
    let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap(), tv_nsec: 0 };
    let ready = rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ready, 1, "process {pid} has not ended within {PATIENCE:?}");
}

/// Waits for the end of a proxy and says how it ended: its exit code, or 128 and the signal.
#[track_caller]
pub fn exit_code(pid: i32) -> i32 {
    wait_for_end(pid);
    let status = rustix::process::waitid(WaitId::Pid(Pid::from_raw(pid).unwrap()), WaitIdOptions::EXITED)
        .unwrap()
        .expect("a child that has ended");
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap()
}

/// Whether a process still executes: a zombie does not.
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !matches!(stat.rsplit(") ").next().and_then(|tail| tail.chars().next()), Some('Z' | 'X') | None)
    })
}

/// For a scenario that shows that something does *not* happen.
pub const A_WHILE: Duration = Duration::from_millis(300);

/// A process of the scenario's own, killed when it is dropped.
#[derive(Debug)]
pub struct Companion(pub std::process::Child);

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// A proxy's memory, in kilobytes.
#[derive(Debug)]
pub struct Memory {
    /// What belongs to it alone.
    dirty: u64,
    /// What is no file's.
    pub anonymous: u64,
    /// And with what it has of files in common with others.
    pub resident: u64,
    heap: u64,
}

impl Memory {
    /// It may be less later: a kernel that is short of memory, or takes back what lies idle, swaps it out.
    #[track_caller]
    pub fn has_not_grown_to(&self, later: &Self) {
        assert!(later.dirty <= self.dirty && later.heap <= self.heap, "{self:?} has grown to {later:?}");
    }
}

pub fn memory_of(pid: i32) -> Memory {
    let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut dirty, mut anonymous, mut resident, mut heap, mut in_heap) = (0, 0, 0, 0, false);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("Private_Dirty:", Some(kilobytes)) => dirty += kilobytes.parse::<u64>().unwrap(),
            ("Anonymous:", Some(kilobytes)) => anonymous += kilobytes.parse::<u64>().unwrap(),
            ("Rss:", Some(kilobytes)) => resident += kilobytes.parse::<u64>().unwrap(),
            ("Size:", Some(kilobytes)) if in_heap => heap += kilobytes.parse::<u64>().unwrap(),
            (first, _) if first.contains('-') && !first.ends_with(':') => in_heap = line.ends_with("[heap]"),
            _ => {}
        }
    }
    Memory { dirty, anonymous, resident, heap }
}
