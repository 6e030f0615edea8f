//! start: asks the proxy to boot the processor, and answers when the kernel says that it runs.

use std::time::Duration;

use argh::FromArgs;
use rustix::io::Errno;
use rustix::process::Signal;

use super::Context;
use super::occupant::{self, processor_error};
use super::refusal::refusal_error;
use super::{kill, order};
use crate::board;
use crate::container::{Container, ContainerId, Record, START_FIFO, Status, keep, noted_settings};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::proxy::{Answer, Answers, Heard};
use crate::remoteproc::{Dumps, KernelLog, Processor, ProcessorState, firmware_name};
use crate::sys::clock::Deadline;
use crate::sys::errno::in_words;

/// boot the processor of a created container; answers when it runs
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "start", help_triggers("-h", "--help"))]
pub struct Start {
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// How long a driver has to boot its processor.
const LIMIT: Duration = Duration::from_secs(60);

pub fn run(context: &Context, args: &Start) -> Result<()> {
    start(context, &ContainerId::new(&args.id)?)
}

/// Starts a created container.
pub fn start(context: &Context, id: &ContainerId) -> Result<()> {
    let (container, _) = context.store.load(id, "start")?;
    let deadline = Deadline::after(LIMIT);
    if !container.lock(deadline)? {
        return Err(Error::invalid("another command has held the container for 60 s: try again later"));
    }
    let record = container.record()?.ok_or(Error::DoesNotExist)?;
    let host = record.host();
    let status = Status::of(&host, &record.proxy)?;
    let refused = |status: Status| Error::WrongStatus {
        verb: "start",
        status: status.word(),
        needs: "created",
        hint: match status {
            Status::Running => format!("to start it anew: kill {id}, delete {id}, create, start"),
            _ => format!("delete {id} and create it again"),
        },
    };
    if status != Status::Created {
        return Err(refused(status));
    }
    let Some(proxy) = record.proxy.open(&host)? else { return Err(refused(Status::Stopped)) };
    order::check_start(&record)?;
    let fifo = container.path.join(START_FIFO);
    let answers = Answers::listen(&container, START_FIFO).map_err(|e| Error::io("open", &fifo, e))?;
    // Only starts listen here, and the container's lock is ours.
    let answers = answers.ok_or_else(|| Error::io("lock", &fifo, Errno::AGAIN))?;
    let log = KernelLog::from_now(&host);
    // A crash has one dump; a further one is of our own firmware.
    let mut left = left_dump(context, &host, &record).map(|(other, mut dumps)| {
        let mut kept = false;
        move || {
            if let Some(dump) = (!kept).then(|| dumps.new_one()).flatten() {
                kept = true;
                if let Err(errno) = keep(&dump, &other) {
                    log::warn!("container {}: its dump was not saved: {}", other.id, in_words(errno));
                }
            }
        }
    });
    proxy.signal(Signal::USR1).map_err(|e| Error::io("signal", format!("/proc/{}", record.proxy.pid), e))?;
    match answers
        .wait_looking(&proxy, deadline, left.as_mut().map(|look| look as &mut dyn FnMut()))
        .map_err(|e| Error::io("wait on", &fifo, e))?
    {
        Heard::Answer(Answer::Running { passed_over }) => {
            if let Some(pid) = passed_over {
                let name = record.processor.as_ref().map_or("", |processor| &processor.name);
                log::warn!(
                    "processor {name}: the lock of process {pid}, which is not root's, was passed over"
                );
            }
            Ok(())
        }
        Heard::Answer(answer) => {
            // It ends with its answer: when we fail, the container is stopped.
            proxy.wait_until(deadline).map_err(|e| Error::io("wait on", &fifo, e))?;
            Err(explain(context, &container, &record, answer, log))
        }
        Heard::Ended => {
            // Killed, and nobody knows how far it had come: nothing of it is to run.
            if let Some((processor, stored)) = record.deployed() {
                kill::release(&host, processor, &stored, Some(&container), true, deadline)?;
            }
            let problem = "the proxy ended before it had booted the processor".to_owned();
            Err(processor_error(&record, problem, None))
        }
        Heard::Nothing => Err(processor_error(
            &record,
            format!(
                "its driver has not answered the start in {} s, and is still being waited for",
                LIMIT.as_secs()
            ),
            Some(format!("the container stays created until it answers; kill {id} KILL gives up on it")),
        )),
    }
}

/// Where the dump of a firmware will appear that crashed and was left so, and its container: it is made when our proxy
/// brings the processor back, and may have to be read before that goes on.
fn left_dump(context: &Context, host: &Host, record: &Record) -> Option<(Container, Dumps)> {
    let processor = Processor::of(host, record.processor.as_ref()?).ok().flatten()?;
    let crashed = ProcessorState::read(&processor.path) == Ok(ProcessorState::Crashed);
    let firmware = crashed.then(|| firmware_name(&processor.path).ok()).flatten()?;
    let other = context.store.open(&occupant::left_by(context, &firmware)?).ok()?;
    let last = noted_settings(&other).ok()??.dumps?;
    Some((other, Dumps::after(host, &processor, Some(last))?))
}

fn explain(
    context: &Context,
    container: &Container,
    record: &Record,
    answer: Answer,
    log: Option<KernelLog>,
) -> Error {
    let host = record.host();
    let unexpected = |answer: Answer| {
        let line = answer.to_line();
        processor_error(record, format!("the proxy gave an unexpected answer: {}", line.trim_end()), None)
    };
    let Some((identity, stored)) = record.deployed() else { return unexpected(answer) };
    let device = identity.device.display();
    let processor = Processor::of(&host, identity).ok().flatten();
    match answer {
        Answer::Busy(state) => {
            let place = processor.as_ref().map_or(&identity.device, |processor| &processor.path);
            occupant::in_use(context, container, record, place, state)
        }
        Answer::Owned(pid) => occupant::owned(record, container, pid),
        Answer::NotRunning(state) => processor_error(
            record,
            format!("the kernel accepted the start, but the state reads {state}"),
            Some(match state {
                ProcessorState::Crashed => "the firmware crashed at once".to_owned(),
                _ => format!(
                    "after a recovery that failed the kernel takes the processor for powered: unbind and bind the driver of {device}"
                ),
            }),
        ),
        Answer::Gone => processor_error(
            record,
            format!("its device {device} is gone"),
            Some("bind its driver again, then create the container again".to_owned()),
        ),
        Answer::Refused(refusal) => {
            let error = refusal_error(&host, identity, &stored, refusal, log.as_ref());
            with_boards_hint(error, context, processor.as_ref())
        }
        other => unexpected(other),
    }
}

/// Where nothing else is known of the cause, what the board's profile says one must know.
fn with_boards_hint(mut error: Error, context: &Context, processor: Option<&Processor>) -> Error {
    if let (Error::Kernel { hint: hint @ None, .. }, Some(processor)) = (&mut error, processor) {
        // The kernel's refusal is what counts: a profile that cannot be read was refused at create.
        let board = board::find(&context.host, context.board.as_deref()).ok().flatten();
        let profile = board.as_ref().and_then(|board| board.profile_of(processor));
        *hint = profile.map(|profile| profile.hints.join("; ")).filter(|hints| !hints.is_empty());
    }
    error
}
