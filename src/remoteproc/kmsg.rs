//! The kernel's log, where it may be read (Documentation/ABI/testing/dev-kmsg).
//!
//! remoteproc tells of a crash nowhere else: no uevent, and `state` does not wake poll(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::processor::Processor;
use crate::host::Host;

/// The kernel's log from some point on.
#[derive(Debug)]
pub struct KernelLog(OwnedFd);

/// What reading the log gave.
#[derive(Debug, Eq, PartialEq)]
pub enum Record<'a> {
    /// A record's text, with its dictionary lines.
    Text(&'a str),
    /// Nothing new for now.
    None,
    /// Records were lost or cannot be shown; there may be more.
    Skipped,
    /// The log can be read no longer.
    Ended,
}

/// The size of a buffer for one record, in bytes; the kernel gives `EINVAL` for one that does not fit
/// (kernel/printk/printk.c, `devkmsg_read`).
pub const RECORD: usize = 2048;

impl KernelLog {
    /// Opens the log behind its last record. `None` where there is none, or the caller may not read it.
    pub fn from_now(host: &Host) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(host.kmsg(), flags, Mode::empty()).ok()?;
        rustix::fs::seek(&fd, SeekFrom::End(0)).ok()?;
        Some(Self(fd))
    }

    /// The next record. Allocates nothing.
    pub fn next<'a>(&self, buffer: &'a mut [u8; RECORD]) -> Record<'a> {
        match rustix::io::read(&self.0, &mut buffer[..]) {
            Ok(0) | Err(Errno::AGAIN) => Record::None,
            Ok(length) => match std::str::from_utf8(buffer.get(..length).unwrap_or_default()) {
                Ok(text) => Record::Text(text),
                Err(_) => Record::Skipped,
            },
            // Overwritten before it was read, or longer than the buffer.
            Err(Errno::PIPE | Errno::INVAL | Errno::INTR) => Record::Skipped,
            Err(_) => Record::Ended,
        }
    }

    /// What was said about `processor` since the log was opened: the last `most` messages, oldest first.
    pub fn about(&self, processor: &Processor, most: usize) -> Vec<String> {
        let mut buffer = [0; RECORD];
        let mut lines: Vec<String> = Vec::new();
        loop {
            match self.next(&mut buffer) {
                Record::Text(record)
                    if is_about(record, processor.kernel_name(), processor.device_name()) =>
                {
                    let line = message(record);
                    if lines.last().is_none_or(|last| last != line) {
                        lines.push(line.to_owned());
                    }
                }
                Record::Text(_) | Record::Skipped => {}
                Record::None | Record::Ended => break,
            }
        }
        lines.split_off(lines.len().saturating_sub(most))
    }
}

impl AsFd for KernelLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The message of a record: `3,842,5100,-;the message\n DEVICE=..`.
pub fn message(record: &str) -> &str {
    let text = record.split_once(';').map_or(record, |(_, text)| text);
    text.lines().next().unwrap_or_default()
}

/// Whether a record is the kernel's and about the processor: by its dictionary, by its prefix (`remoteproc remoteproc0:`), or
/// by its device's (`stm32-rproc 10000000.m4:`).
pub fn is_about(record: &str, kernel_name: &str, device: &str) -> bool {
    if !is_kernels(record) {
        return false;
    }
    let of_kernel_name = |line: &str| line.strip_prefix(" DEVICE=+remoteproc:") == Some(kernel_name);
    let mut words = message(record).split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let subject = second.strip_suffix(':').unwrap_or_default();
    let of_processor =
        record.lines().skip(1).any(of_kernel_name) || (first == "remoteproc" && subject == kernel_name);
    (of_processor && !kernel_name.is_empty()) || (subject == device && !device.is_empty())
}

/// Whether the kernel itself has said it. What programs write to /dev/kmsg is never of facility 0, whatever they give it
/// (kernel/printk/printk.c, `devkmsg_write`); the number at the front is the facility times 8, and the level.
fn is_kernels(record: &str) -> bool {
    let priority = record.split_once(',').map(|(priority, _)| priority.parse::<u32>());
    matches!(priority, Some(Ok(0..8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_by_processor() {
        let crash =
            "3,842,510000,-;remoteproc remoteproc1: crash detected in m4: type watchdog\n SUBSYSTEM=x\n";
        assert_eq!(message(crash), "remoteproc remoteproc1: crash detected in m4: type watchdog");
        assert!(is_about(crash, "remoteproc1", "10000000.m4"));
        assert!(!is_about(crash, "remoteproc10", "10000000.m4"));
        assert!(!is_about(crash, "remoteproc", ""));
        let by_dictionary = "3,1,1,-;something\n SUBSYSTEM=remoteproc\n DEVICE=+remoteproc:remoteproc1\n";
        assert!(is_about(by_dictionary, "remoteproc1", "x") && !is_about(by_dictionary, "remoteproc2", "x"));
        let driver = "3,1,1,-;stm32-rproc 10000000.m4: can't change firmware while running\n";
        assert!(is_about(driver, "remoteproc0", "10000000.m4") && !is_about(driver, "remoteproc0", "000.m4"));
        for priority in ["11", "8", "4294967296", "-1", ""] {
            let written = crash.replacen('3', priority, 1);
            assert!(!is_about(&written, "remoteproc1", "10000000.m4"), "a program's: {written:?}");
        }
        for nothing in ["", ";", "\n", "1,2,3,-; :\n", "3,1,1,-;x\n DEVICE=+remoteproc:\n"] {
            assert!(!is_about(nothing, "remoteproc0", "x") && !is_about(nothing, "", ""), "{nothing:?}");
        }
    }
}
