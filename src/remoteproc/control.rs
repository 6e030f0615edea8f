//! Booting, stopping and bringing back a processor. Callers hold its [`Claim`](super::Claim) and have signals blocked.
//!
//! Nothing here allocates. Every write is followed by a look at `state`, since the kernel answers success where nothing
//! happened: a start of a running processor only counts up, and the next stop only counts down
//! (drivers/remoteproc/remoteproc_core.c, `rproc_boot`, `rproc_shutdown`).

use rustix::io::Errno;

use super::attributes::{Attributes, ProcessorState, Recovery};

/// Which access to which attribute a refusal is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Opening the attributes.
    Open,
    /// Reading `state`.
    ReadState,
    /// Noting the settings that are to be put back later.
    Note,
    /// Reading or writing `recovery`.
    Recovery,
    /// Reading or writing `coredump`.
    Coredump,
    /// Writing the name to `firmware`.
    Firmware,
    /// Writing `start` to `state`.
    Start,
    /// Writing `stop` to `state`.
    Stop,
    /// Writing `recover` to `recovery`.
    Recover,
}

/// The kernel refused a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Which one.
    pub step: Step,
    /// Its answer.
    pub errno: Errno,
}

/// Why a processor does not run our firmware.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BootFailure {
    /// It was in another state than offline before; nothing was done.
    Busy(ProcessorState),
    /// The kernel refused a step.
    Refused(Refusal),
    /// The kernel answered success, but the state reads something else than running.
    NotRunning(ProcessorState),
}

impl From<Refusal> for BootFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How often a stop is written before giving up: each success takes one from the kernel's count of starts.
const STOPS: usize = 1000;

/// How often a processor is recovered that is crashed again before it can be stopped. One whose driver refuses stays so, and
/// each time tells the kernel's log of it.
const RECOVERIES: u8 = 20;

/// Makes sure that the processor is offline: a crashed one is brought back.
///
/// # Errors
/// [`BootFailure::Busy`] when it is in use; [`BootFailure::Refused`].
pub fn make_ready(processor: &Attributes) -> Result<(), BootFailure> {
    match read_state(processor)? {
        ProcessorState::Offline => Ok(()),
        ProcessorState::Crashed => Ok(bring_back(processor)?),
        other => Err(BootFailure::Busy(other)),
    }
}

/// Boots `firmware`, a file in the firmware directory, on a processor that is offline.
///
/// # Errors
/// [`BootFailure`]; the processor then does not run `firmware`.
pub fn boot(processor: &Attributes, firmware: &str) -> Result<(), BootFailure> {
    step(Step::Firmware, processor.write_firmware(firmware))?;
    step(Step::Start, processor.write_state("start"))?;
    match read_state(processor) {
        Ok(ProcessorState::Running) => Ok(()),
        Ok(other) => Err(BootFailure::NotRunning(other)),
        Err(refusal) => {
            // What cannot be seen to run is not left running; the first refusal is what counts.
            let _ = stop(processor);
            Err(refusal.into())
        }
    }
}

/// Stops the processor: until `state` reads offline.
///
/// `stop` is written whatever the state reads: a recovery passes through offline and on to running, and only the write
/// waits for its end (it takes the kernel's lock on the processor). So an offline that was not our doing is believed
/// the second time.
///
/// A firmware may crash as soon as it runs, each time that it is recovered. Only a stop that waits for the end of the recovery
/// comes before the next crash then, and only the kernel's own recovery can be waited for: so that is switched on where
/// nothing else helps, for as long as this takes.
///
/// # Errors
/// [`Refusal`]; the processor may still run.
pub fn stop(processor: &Attributes) -> Result<(), Refusal> {
    let stopped = try_to_stop(processor);
    let crashed = stopped.is_err() && processor.state() == Ok(ProcessorState::Crashed);
    if !crashed || processor.recovery() != Ok(Recovery::Disabled) {
        return stopped;
    }
    step(Step::Recovery, processor.write_recovery(Recovery::Enabled.word()))?;
    let stopped = try_to_stop(processor);
    let put_back = step(Step::Recovery, processor.write_recovery(Recovery::Disabled.word()));
    stopped.and(put_back)
}

fn try_to_stop(processor: &Attributes) -> Result<(), Refusal> {
    let (mut refused_before, mut recoveries) = (false, 0..RECOVERIES);
    for _ in 0..STOPS {
        let answer = step(Step::Stop, processor.write_state("stop"));
        match (read_state(processor)?, answer) {
            (ProcessorState::Offline, Ok(())) => return Ok(()),
            (ProcessorState::Offline, Err(_)) if refused_before => return Ok(()),
            (ProcessorState::Crashed, Err(refusal)) if recoveries.next().is_none() => return Err(refusal),
            (ProcessorState::Crashed, _) => step(Step::Recover, processor.write_recovery("recover"))?,
            // Somebody else's start raised the count.
            (_, Ok(())) => refused_before = false,
            (_, Err(_)) if !refused_before => refused_before = true,
            (_, Err(refusal)) => return Err(refusal),
        }
    }
    Err(Refusal { step: Step::Stop, errno: Errno::BUSY })
}

/// Brings a crashed processor back to offline. The kernel knows no other way than to recover it and then stop it.
///
/// # Errors
/// [`Refusal`]; the processor may still be crashed, or run.
pub fn bring_back(processor: &Attributes) -> Result<(), Refusal> {
    step(Step::Recover, processor.write_recovery("recover"))?;
    stop(processor)
}

fn read_state(processor: &Attributes) -> Result<ProcessorState, Refusal> {
    step(Step::ReadState, processor.state())
}

pub(super) fn step<T>(step: Step, answer: rustix::io::Result<T>) -> Result<T, Refusal> {
    answer.map_err(|errno| Refusal { step, errno })
}
