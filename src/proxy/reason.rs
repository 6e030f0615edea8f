//! Why, in words: for the proxy's own lines, so without memory.

use std::fmt;

use rustix::io::Errno;

use super::answer::Answer;
use super::watch::End;
use crate::remoteproc::{ProcessorState, Refusal, Step};
use crate::sys::errno;

/// An answer in words, without memory.
pub(super) struct Reason(pub(super) Answer);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Answer::Busy(state) => write!(f, "the processor is {}", state.word()),
            Answer::Owned(pid) => write!(f, "process {pid} owns the processor"),
            Answer::NotRunning(state) => {
                write!(f, "the kernel accepted the start, but the state reads {}", state.word())
            }
            Answer::Gone => f.write_str("the processor's device is gone"),
            Answer::Refused(Refusal { step, errno }) => {
                let what = match step {
                    Step::Open => "open the processor's attributes",
                    Step::ReadState => "read its state",
                    Step::Note => "note its settings",
                    Step::Recovery => "set its recovery",
                    Step::Coredump => "set its coredump",
                    Step::Firmware => "set its firmware",
                    Step::Start => "start it",
                    Step::Stop => "stop it",
                    Step::Recover => "recover it",
                };
                write!(f, "the kernel refused to {what}: {}", ErrnoName(errno))
            }
            _ => f.write_str("see the log"),
        }
    }
}

/// The end of a firmware in words, without memory.
pub(super) struct EndReason(pub(super) End);

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            End::Crashed => f.write_str("crashed, and its recovery is disabled"),
            End::NotRecovered => f.write_str("crashed, and the kernel did not recover it"),
            End::Stopped(ProcessorState::Detached) => f.write_str("detached by something else"),
            End::Stopped(_) => f.write_str("stopped by something else"),
            End::Vanished => f.write_str("its device is gone"),
            End::Unreadable(errno) => write!(f, "its state cannot be read: {}", ErrnoName(errno)),
        }
    }
}

/// What the kernel's log told, in brackets; nothing where it told nothing.
pub(super) struct Told<'a>(pub(super) &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

/// An error number by its name.
pub(super) struct ErrnoName(pub(super) Errno);

impl fmt::Display for ErrnoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match errno::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}
