//! A processor that runs our firmware, and what is done to it until it is left. Allocates nothing.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use heapless::String;

use super::answer::Answer;
use super::args::ProxyArgs;
use super::reason::{ErrnoName, Reason};
use super::say::say;
use super::traces::Tracing;
use crate::container::{COREDUMP, keep, keep_trace, settle_settings};
use crate::remoteproc::{
    self, Attributes, Claim, Coredump, Dumps, KernelLog, Note, ProcessorState, Refusal, ShutdownOnRelease,
};
use crate::sys::clock::{Deadline, timespec};

/// How long a crash that has just happened has until its dump is there.
const DUMP: Duration = Duration::from_secs(1);

/// How often to look for it.
const PAUSE: Duration = Duration::from_millis(10);

/// A processor that runs our firmware.
pub(super) struct Running {
    pub(super) attributes: Attributes,
    pub(super) log: Option<KernelLog>,
    pub(super) kernel_name: String<32>,
    pub(super) device_name: String<64>,
    pub(super) claim: Claim,
    pub(super) shutdown: Option<ShutdownOnRelease>,
    /// What was changed of its settings.
    pub(super) note: Note,
    /// Where its dumps appear, if our container asks for them.
    pub(super) dumps: Option<Dumps>,
    /// Its trace buffers, if it has any.
    pub(super) tracing: Option<Tracing>,
}

impl Running {
    /// The end of this process is no longer to stop the processor.
    pub(super) fn let_go(&self) {
        if let Some(shutdown) = &self.shutdown {
            shutdown.disarm();
        }
    }

    /// Passes on what its trace buffers have new, if it is time to look.
    pub(super) fn follow_traces(&mut self) {
        if let Some(tracing) = &mut self.tracing {
            tracing.follow(Instant::now());
        }
    }

    /// Passes on and keeps what its trace buffers hold, while they are there.
    pub(super) fn keep_last_words(&mut self, container: &OwnedFd) {
        let Some(tracing) = &mut self.tracing else { return };
        // What cannot be kept was passed on.
        let _ = keep_trace(tracing.finish(), container);
    }

    /// Keeps a dump that has appeared; whether one had.
    // Its buffers are not to lie below everything else that is called: a resident process keeps the stack that it took.
    #[inline(never)]
    pub(super) fn collect(&mut self, args: &ProxyArgs, container: &OwnedFd) -> bool {
        let Some(dump) = self.dumps.as_mut().and_then(Dumps::new_one) else { return false };
        let path = args.container.display();
        match keep(&dump, container) {
            Ok(copied) => {
                let cut = if copied.cut { ", cut there" } else { "" };
                say(
                    &args.name,
                    format_args!("dumped after a crash: {path}/{COREDUMP}, {} bytes{cut}", copied.bytes),
                );
            }
            Err(errno) => {
                say(&args.name, format_args!("its dump after a crash was not saved: {}", ErrnoName(errno)));
            }
        }
        true
    }

    /// Stops the processor. False for one that is crashed and would wait for us to read its dump while we wait for it.
    pub(super) fn halt(&mut self, args: &ProxyArgs, container: &OwnedFd) -> Result<bool, Refusal> {
        if self.dumps.is_some() && self.is_inline() && !self.unblock(args, container) {
            return Ok(false);
        }
        let stopped = remoteproc::stop(&self.attributes);
        // It may have crashed just before.
        self.collect(args, container);
        stopped.map(|()| true)
    }

    fn is_inline(&self) -> bool {
        self.attributes.coredump() == Ok(Coredump::Inline)
    }

    /// A recovery holds the kernel's lock on the processor until its dump is read (drivers/remoteproc/
    /// remoteproc_coredump.c), and every stop waits for that lock. So the dump is read first, and the setting taken back,
    /// so that no other comes in between.
    fn unblock(&mut self, args: &ProxyArgs, container: &OwnedFd) -> bool {
        let deadline = Deadline::after(DUMP);
        loop {
            self.collect(args, container);
            // Refused while it is crashed.
            let _ = self.note.restore_coredump(&self.attributes);
            match self.attributes.state() {
                Ok(ProcessorState::Offline | ProcessorState::Crashed) if !deadline.passed() => {}
                Ok(ProcessorState::Crashed) => return !self.is_inline(),
                _ => return true,
            }
            let _ = rustix::event::poll(&mut [], Some(&timespec(PAUSE)));
        }
    }

    /// Puts the settings back that we changed, if the processor is offline.
    pub(super) fn restore(&self, args: &ProxyArgs, container: &OwnedFd) {
        if let Err(refusal) = settle_settings(container, &self.note, &self.attributes) {
            say(&args.name, format_args!("{}", Unrestored(refusal)));
        }
    }
}

/// That settings could not be put back, in words.
pub(super) struct Unrestored(pub(super) Refusal);

impl fmt::Display for Unrestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings not put back: {}", Reason(Answer::Refused(self.0)))
    }
}
