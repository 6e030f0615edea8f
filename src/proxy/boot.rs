//! Phase 2 begins: claiming the processor and booting our firmware on it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use heapless::String;

use super::answer::Answer;
use super::args::{ProxyArgs, is_helper};
use super::running::{Running, Unrestored};
use super::say::say;
use super::traces::Tracing;
use crate::container::{Store, note_settings, noted_settings, restore_settings};
use crate::error::Error;
use crate::host::Host;
use crate::remoteproc::{
    self, Attributes, BootFailure, Claim, Dumps, Held, KernelLog, Note, Processor, ProcessorState, Recovery,
    Refusal, ShutdownOnRelease, Step,
};
use crate::sys::clock::{Deadline, timespec};
use crate::sys::process;

/// How long a helper has to free the processor: it writes a stop, and waits for the driver at the most.
const HELPER: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a processor that crashed right after its start has to come up by recovery.
const SETTLE: Duration = Duration::from_secs(1);

/// Claims the processor and boots our firmware on it.
pub(super) fn boot(args: &ProxyArgs, container: &OwnedFd) -> Result<Running, Answer> {
    let open = |errno| Answer::Refused(Refusal { step: Step::Open, errno });
    let host = Host::new(&args.host_root).map_err(|_| Answer::Gone)?;
    let found = Processor::of(&host, &args.identity()).ok().flatten();
    let processor = found.ok_or(Answer::Gone)?;
    let claim = claim(&processor).map_err(|held| match held {
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
    let mut running = Running {
        attributes,
        log,
        shutdown,
        // Names of the kernel, which are short; one that is cut only finds no messages in the log.
        kernel_name: cut(processor.kernel_name()),
        device_name: cut(processor.device_name()),
        claim,
        note: Note::default(),
        dumps: None,
        tracing: None,
    };
    match bring_up(args, container, &host, &processor, &mut running) {
        Ok(()) => {
            running.tracing = Tracing::of(&host, &processor, !args.no_trace);
            Ok(running)
        }
        Err(answer) => {
            running.let_go();
            running.restore(args, container);
            Err(answer)
        }
    }
}

/// Takes the processor. A helper that stops what another container left has it for a moment, and is waited for.
fn claim(processor: &Processor) -> Result<Claim, Held> {
    let deadline = Deadline::after(HELPER);
    loop {
        match Claim::take(processor) {
            Err(Held::By(pid)) if !deadline.passed() && (is_helper(pid) || has_ended(pid)) => {
                let _ = rustix::event::poll(&mut [], Some(&timespec(PAUSE)));
            }
            other => return other,
        }
    }
}

/// Whether who had the processor a moment ago is gone; 0 stands for who cannot be seen.
fn has_ended(pid: i32) -> bool {
    pid != 0 && process::arguments(pid).is_empty()
}

fn bring_up(
    args: &ProxyArgs,
    container: &OwnedFd,
    host: &Host,
    processor: &Processor,
    running: &mut Running,
) -> Result<(), Answer> {
    let failed = |failure| match failure {
        BootFailure::Busy(state) => Answer::Busy(state),
        BootFailure::Refused(refusal) => Answer::Refused(refusal),
        BootFailure::NotRunning(state) => Answer::NotRunning(state),
    };
    remoteproc::make_ready(&running.attributes).map_err(failed)?;
    restore_what_others_left(args, host, &running.attributes).map_err(Answer::Refused)?;
    apply_settings(args, container, host, processor, running).map_err(Answer::Refused)?;
    match remoteproc::boot(&running.attributes, &args.firmware) {
        Err(BootFailure::NotRunning(state)) => settle(args, container, running, state),
        other => other.map_err(failed),
    }
}

/// A container whose proxy was killed, or whose firmware crashed, may have left its settings: what it had found is what
/// there was before ours, too. The processor is ours now, so none that says otherwise lives.
///
/// # Errors
/// Where a note may be that cannot be read: ours would take its settings for what there was.
fn restore_what_others_left(args: &ProxyArgs, host: &Host, attributes: &Attributes) -> Result<(), Refusal> {
    let unread = |errno| Refusal { step: Step::Note, errno };
    let Some(Ok(store)) = args.container.parent().map(|root| Store::new(Some(root))) else { return Ok(()) };
    for id in store.unsorted().map_err(|error| unread(error.errno()))? {
        let id = id.map_err(|error| unread(error.errno()))?;
        if !store.may_have_noted_settings(&id) {
            continue;
        }
        let other = match store.open(&id) {
            Err(Error::DoesNotExist) => continue,
            other => other.map_err(|error| unread(error.errno()))?,
        };
        let Some(note) = noted_settings(&other).map_err(unread)? else { continue };
        // One that is damaged has no processor.
        let Ok(Some(record)) = other.record() else { continue };
        let is_of_this_boot = record.is_of_this_boot(host).map_err(|error| unread(error.errno()))?;
        if record.processor == Some(args.identity()) && is_of_this_boot {
            if let Err(refusal) = restore_settings(&other, &note, attributes) {
                say(&args.name, format_args!("settings of container {id}: {}", Unrestored(refusal)));
            }
        }
    }
    Ok(())
}

/// Notes what is to be changed, so that it can be taken back whatever happens to us, and changes it.
fn apply_settings(
    args: &ProxyArgs,
    container: &OwnedFd,
    host: &Host,
    processor: &Processor,
    running: &mut Running,
) -> Result<(), Refusal> {
    let mut note = Note::of(&running.attributes, args.settings())?;
    if args.settings().wants_dumps() {
        running.dumps = Dumps::after(host, processor, None);
        note.dumps = running.dumps.as_ref().map(Dumps::last);
        if running.dumps.is_none() {
            say(&args.name, format_args!("no dumps: this kernel has no /sys/class/devcoredump"));
        }
    }
    note_settings(container, &note).map_err(|errno| Refusal { step: Step::Note, errno })?;
    running.note = note;
    note.apply(&running.attributes)
}

/// A firmware that crashed at once may be in its recovery; what does not come up is not left to come up later.
fn settle(
    args: &ProxyArgs,
    container: &OwnedFd,
    running: &mut Running,
    mut state: ProcessorState,
) -> Result<(), Answer> {
    let mut deadline = Deadline::after(SETTLE);
    let mut waited_for_dump = false;
    while running.attributes.recovery() == Ok(Recovery::Enabled) && !deadline.passed() {
        if running.collect(args, container) && !waited_for_dump {
            // Its recovery may have waited for that.
            (deadline, waited_for_dump) = (Deadline::after(SETTLE), true);
        }
        match running.attributes.state() {
            Ok(ProcessorState::Running) => return Ok(()),
            Ok(other) => state = other,
            Err(errno) => return Err(Answer::Refused(Refusal { step: Step::ReadState, errno })),
        }
        let _ = rustix::event::poll(&mut [], Some(&timespec(PAUSE)));
    }
    // One that stays crashed is left as the evidence.
    if state != ProcessorState::Crashed || running.attributes.recovery() != Ok(Recovery::Disabled) {
        let _ = running.halt(args, container);
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
