//! Freeing a processor of a firmware whose proxy is dead: in a process of its own, since a write to sysfs that hangs in a
//! driver can be neither interrupted nor killed. The verb that waits for it answers in time, whatever happens to it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::io::Errno;

use super::answer::{Answer, Answers, Heard};
use super::args::ReleaseArgs;
use crate::container::{Container, is_noted_stopped, keep, noted_settings, restore_settings};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{
    self, Attributes, Claim, Dumps, Held, Identity, Note, Processor, ProcessorState, Refusal, Step,
    firmware_name, recovers,
};
use crate::sys::clock::{Deadline, timespec};
use crate::sys::process::{self, Process};
use crate::sys::{files, signals};

/// How long another owner has to free the processor of our firmware: another verb's helper that is at it as well, or the
/// next container's proxy that brings a crashed one back.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const PAUSE: Duration = Duration::from_millis(10);

/// Stops what still runs of `firmware` on the processor; with `keep_crashed`, one that crashed is left as it is, else it
/// is brought back to offline. Then the settings that the `container` noted are put back, unless somebody else has the
/// processor by now. A dump that is in the way is kept with `keep_crashed`, else freed. Answers [`Answer::Released`] or [`Answer::Unrestored`] when nothing of it runs.
///
/// # Errors
/// [`Error::Processor`] when that was not known before the deadline; [`Error::Io`] when the helper cannot be started.
pub fn release(
    host: &Host,
    identity: &Identity,
    firmware: &str,
    container: Option<&Container>,
    keep_crashed: bool,
    deadline: Deadline,
) -> Result<Answer> {
    let args = ReleaseArgs {
        host_root: host.root().to_owned(),
        name: identity.name.clone(),
        device: identity.device.clone(),
        firmware: firmware.to_owned(),
        container: container.map(|container| container.path.clone()),
        keep_crashed,
    };
    // Mostly there is nothing to stop, and that can be seen from here.
    if is_released(host, &args)? {
        return Ok(Answer::Released);
    }
    // A recovery may wait until its dump is read, and the helper for the recovery.
    let mut read_dump = container.and_then(|container| {
        let last = noted_settings(container).ok()??.dumps?;
        let processor = Processor::of(host, identity).ok().flatten()?;
        let mut dumps = Dumps::after(host, &processor, Some(last))?;
        Some(move || match dumps.new_one() {
            // Lost like one that the proxy could not save.
            Some(dump) if keep_crashed => drop(keep(&dump, container)),
            // The container is about to go.
            Some(dump) => dump.free(),
            None => {}
        })
    });
    let exe = "/proc/self/exe";
    let mut child = Command::new(exe)
        .arg0(crate::PROGRAM)
        .args(args.to_args())
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It may outlive the caller, who must not wait for the end of its output.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Error::io("start a helper from", exe, e))?;
    let unknown = |problem: &str| Error::Processor {
        name: identity.name.clone(),
        problem: problem.to_owned(),
        hint: Some("try again later; if the driver never comes back, reboot the board".to_owned()),
    };
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let start_time = process::observe(pid).ok().flatten().map(|seen| seen.start_time).unwrap_or_default();
    let pipe = child.stdout.take().ok_or_else(|| unknown("the helper that stops it has no output"))?;
    let answers = Answers::from_pipe(pipe.into()).map_err(|e| Error::io("open", "the helper's output", e))?;
    let helper = match Process::open(pid, start_time)
        .map_err(|e| Error::io("open", format!("/proc/{pid}"), e))?
    {
        Some(helper) => helper,
        None => {
            return answers.said().ok_or_else(|| unknown("the helper that stops it ended without an answer"));
        }
    };
    match answers
        .wait_looking(&helper, deadline, read_dump.as_mut().map(|read| read as &mut dyn FnMut()))
        .map_err(|e| Error::io("wait for", "the helper", e))?
    {
        Heard::Answer(answer) => {
            // It has answered and ends; reaped here, so that it does not linger as a zombie.
            let _ = child.wait();
            Ok(answer)
        }
        Heard::Ended => Err(unknown("the helper that stops it ended without an answer")),
        Heard::Nothing => {
            Err(unknown("its driver has not answered the stop in time; it is still being waited for"))
        }
    }
}

/// The helper itself: does it, and writes its answer to standard output.
pub fn release_helper(args: &ReleaseArgs) -> ExitCode {
    // Also against the signals of the terminal that the caller sits at.
    if signals::block_all().is_err() || rustix::process::setsid().is_err() {
        return ExitCode::FAILURE;
    }
    let answer = match Host::new(&args.host_root) {
        Ok(host) => act(&host, args).unwrap_or_else(|answer| answer),
        Err(_) => Answer::Gone,
    };
    let _ = std::io::stdout().write_all(answer.to_line().as_bytes());
    ExitCode::SUCCESS
}

/// Whether there is nothing of ours left: the device is gone, or offline with its settings put back, or has another
/// firmware. Offline or crashed with ours, while the kernel recovers crashes, may be the middle of that, and only a write tells;
/// unless its proxy has seen it stop.
fn is_released(host: &Host, args: &ReleaseArgs) -> Result<bool> {
    let Some(processor) = Processor::of(host, &args.identity())? else { return Ok(true) };
    let (state, firmware) = (ProcessorState::read(&processor.path), firmware_name(&processor.path));
    Ok(match (state, firmware) {
        (Ok(ProcessorState::Offline), name) => {
            let others = name.is_ok_and(|name| name != args.firmware);
            let in_doubt = !others && recovers(&processor.path);
            let stopped = args.container.as_deref().is_some_and(is_noted_stopped);
            (stopped || !in_doubt) && noted(args) == Ok(None)
        }
        (Ok(ProcessorState::Crashed), Ok(name)) if name == args.firmware => {
            args.keep_crashed && !recovers(&processor.path)
        }
        (Ok(_), Ok(name)) => name != args.firmware,
        // Gone between listing and reading.
        _ => Processor::of(host, &args.identity())?.is_none(),
    })
}

fn act(host: &Host, args: &ReleaseArgs) -> std::result::Result<Answer, Answer> {
    let open = |errno| Answer::Refused(Refusal { step: Step::Open, errno });
    let Some(processor) = Processor::of(host, &args.identity()).map_err(|_| Answer::Gone)? else {
        return Ok(Answer::Released);
    };
    let deadline = Deadline::after(PATIENCE);
    let _claim = loop {
        match Claim::take(&processor) {
            Ok(claim) => break claim,
            Err(Held::Failed(errno)) => return Err(open(errno)),
            Err(Held::By(_)) if is_released(host, args).map_err(|_| Answer::Gone)? => {
                return Ok(Answer::Released);
            }
            Err(Held::By(pid)) if deadline.passed() => {
                // Whoever has it, nothing has come up in that time.
                let offline = ProcessorState::read(&processor.path) == Ok(ProcessorState::Offline);
                return if offline { Ok(Answer::Released) } else { Err(Answer::Owned(pid)) };
            }
            Err(Held::By(_)) => {
                let _ = rustix::event::poll(&mut [], Some(&timespec(PAUSE)));
            }
        }
    };
    let attributes = Attributes::open(&processor.path).map_err(open)?;
    // Looked at again, now that nobody else can have begun something.
    if is_released(host, args).map_err(|_| Answer::Gone)? {
        return Ok(Answer::Released);
    }
    let ours = attributes.firmware_is(&args.firmware) == Ok(true);
    let done = match attributes.state() {
        Ok(ProcessorState::Crashed) => remoteproc::bring_back(&attributes),
        Ok(ProcessorState::Offline) if !ours => Ok(()),
        // Also where it is offline: a recovery that is under way, be it one that waits for its dump to be read, is waited for.
        _ => remoteproc::stop(&attributes),
    };
    done.map_err(Answer::Refused)?;
    let unread = |errno| Answer::Refused(Refusal { step: Step::Note, errno });
    let Some(container) = open_container(args).map_err(unread)? else { return Ok(Answer::Released) };
    if let Some(note) = noted_settings(&container).map_err(unread)? {
        restore_settings(container, &note, &attributes).map_err(Answer::Unrestored)?;
    }
    Ok(Answer::Released)
}

/// What the container noted of the processor's settings.
fn noted(args: &ReleaseArgs) -> rustix::io::Result<Option<Note>> {
    open_container(args)?.map_or(Ok(None), noted_settings)
}

/// The container's directory; none where it has been deleted.
fn open_container(args: &ReleaseArgs) -> rustix::io::Result<Option<OwnedFd>> {
    let Some(container) = &args.container else { return Ok(None) };
    match files::open_directory(container) {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}
