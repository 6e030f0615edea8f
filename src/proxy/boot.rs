//! Phase 2 begins: claiming the processor and booting our firmware on it.

use std::time::Duration;

use heapless::String;

use super::answer::Answer;
use super::args::ProxyArgs;
use crate::host::Host;
use crate::remoteproc::{
    self, Attributes, BootFailure, Claim, Held, KernelLog, Processor, ProcessorState, Recovery, Refusal,
    ShutdownOnRelease, Step,
};
use crate::sys::clock::{Deadline, timespec};

/// How long a processor that crashed right after its start has to come up by recovery.
const SETTLE: Duration = Duration::from_secs(1);

/// A processor that runs our firmware.
pub(super) struct Running {
    pub(super) attributes: Attributes,
    pub(super) log: Option<KernelLog>,
    pub(super) kernel_name: String<32>,
    pub(super) device_name: String<64>,
    pub(super) claim: Claim,
    shutdown: Option<ShutdownOnRelease>,
}

impl Running {
    /// The end of this process is no longer to stop the processor.
    pub(super) fn let_go(&self) {
        if let Some(shutdown) = &self.shutdown {
            shutdown.disarm();
        }
    }
}

/// Claims the processor and boots our firmware on it.
pub(super) fn boot(args: &ProxyArgs) -> Result<Running, Answer> {
    let open = |errno| Answer::Refused(Refusal { step: Step::Open, errno });
    let host = Host::new(&args.host_root).map_err(|_| Answer::Gone)?;
    let found = Processor::of(&host, &args.identity()).ok().flatten();
    let processor = found.ok_or(Answer::Gone)?;
    let claim = Claim::take(&processor).map_err(|held| match held {
        Held::By(pid) => Answer::Owned(pid),
        Held::Failed(errno) => open(errno),
    })?;
    let attributes = Attributes::open(&processor.path).map_err(open)?;
    let log = KernelLog::from_now(&host);
    let shutdown = match attributes.state() {
        Ok(ProcessorState::Offline | ProcessorState::Crashed) => ShutdownOnRelease::arm(&host, &processor),
        // It would stop what somebody else runs.
        _ => None,
    };
    let booted = match remoteproc::boot(&attributes, &args.firmware) {
        Ok(()) => Ok(()),
        Err(BootFailure::Busy(state)) => Err(Answer::Busy(state)),
        Err(BootFailure::Refused(refusal)) => Err(Answer::Refused(refusal)),
        Err(BootFailure::NotRunning(state)) => settle(&attributes, state),
    };
    if let (Err(_), Some(shutdown)) = (&booted, &shutdown) {
        shutdown.disarm();
    }
    booted?;
    Ok(Running {
        attributes,
        log,
        shutdown,
        // Names of the kernel, which are short; one that is cut only finds no messages in the log.
        kernel_name: cut(processor.kernel_name()),
        device_name: cut(processor.device_name()),
        claim,
    })
}

/// A firmware that crashed at once may be in its recovery; what does not come up is not left to come up later.
fn settle(attributes: &Attributes, mut state: ProcessorState) -> Result<(), Answer> {
    let deadline = Deadline::after(SETTLE);
    let pause = Duration::from_millis(10);
    while attributes.recovery() == Ok(Recovery::Enabled) && !deadline.passed() {
        match attributes.state() {
            Ok(ProcessorState::Running) => return Ok(()),
            Ok(other) => state = other,
            Err(errno) => return Err(Answer::Refused(Refusal { step: Step::ReadState, errno })),
        }
        let _ = rustix::event::poll(&mut [], Some(&timespec(pause)));
    }
    if state != ProcessorState::Crashed {
        let _ = remoteproc::stop(attributes);
    }
    Err(Answer::NotRunning(state))
}

/// As much of `text` as fits.
pub(super) fn cut<const N: usize>(text: &str) -> String<N> {
    let mut short = String::new();
    for c in text.chars() {
        if short.push(c).is_err() {
            break;
        }
    }
    short
}
