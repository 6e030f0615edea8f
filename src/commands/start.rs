//! start: asks the proxy to boot the processor, and answers when the kernel says that it runs.

use std::time::Duration;

use argh::FromArgs;
use rustix::io::Errno;
use rustix::process::Signal;

use super::Context;
use super::refusal::refusal_error;
use crate::container::{Container, ContainerId, Record, START_FIFO, Status};
use crate::error::{Error, Result};
use crate::proxy::{self, Answer, Answers, Heard, Owner, owner_of};
use crate::remoteproc::{KernelLog, Processor, ProcessorState, firmware_name};
use crate::sys::clock::Deadline;

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
    let fifo = container.path.join(START_FIFO);
    let answers = Answers::listen(&container, START_FIFO).map_err(|e| Error::io("open", &fifo, e))?;
    // Only starts listen here, and the container's lock is ours.
    let answers = answers.ok_or_else(|| Error::io("lock", &fifo, Errno::AGAIN))?;
    let log = KernelLog::from_now(&host);
    proxy.signal(Signal::USR1).map_err(|e| Error::io("signal", format!("/proc/{}", record.proxy.pid), e))?;
    match answers.wait(&proxy, deadline).map_err(|e| Error::io("wait on", &fifo, e))? {
        Heard::Answer(Answer::Running { passed_over }) => {
            if let Some(pid) = passed_over {
                log::warn!(
                    "processor {}: the lock of process {pid}, which is not root's, was passed over",
                    record.processor.name
                );
            }
            Ok(())
        }
        Heard::Answer(answer) => Err(explain(context, &container, &record, answer, log)),
        Heard::Ended => {
            Err(problem(&record, "the proxy ended before it had booted the processor".to_owned(), None))
        }
        Heard::Nothing => Err(problem(
            &record,
            format!(
                "its driver has not answered the start in {} s, and is still being waited for",
                LIMIT.as_secs()
            ),
            Some(format!("the container stays created until it answers; kill {id} KILL gives up on it")),
        )),
    }
}

fn problem(record: &Record, problem: String, hint: Option<String>) -> Error {
    Error::Processor { name: record.processor.name.clone(), problem, hint }
}

fn explain(
    context: &Context,
    container: &Container,
    record: &Record,
    answer: Answer,
    log: Option<KernelLog>,
) -> Error {
    let host = record.host();
    let processor = Processor::of(&host, &record.processor).ok().flatten();
    match answer {
        Answer::Busy(state) => busy(context, container, record, processor.as_ref(), state),
        Answer::Owned(pid) => owned(record, container, pid),
        Answer::NotRunning(state) => problem(
            record,
            format!("the kernel accepted the start, but the state reads {state}"),
            Some(wedge_hint(record, state)),
        ),
        Answer::Gone => problem(
            record,
            format!("its device {} is gone", record.processor.device.display()),
            Some("bind its driver again, then create the container again".to_owned()),
        ),
        Answer::Refused(refusal) => {
            refusal_error(&host, &record.processor, &record.stored(), refusal, log.as_ref())
        }
        other => problem(
            record,
            format!("the proxy gave an unexpected answer: {}", other.to_line().trim_end()),
            None,
        ),
    }
}

fn wedge_hint(record: &Record, state: ProcessorState) -> String {
    let device = record.processor.device.display();
    match state {
        ProcessorState::Crashed => "the firmware crashed at once".to_owned(),
        _ => format!(
            "after a recovery that failed the kernel takes the processor for powered: unbind and bind the driver of {device}"
        ),
    }
}

/// The processor was in use although its lock was to be had: who uses it or left it so, and how to free it.
fn busy(
    context: &Context,
    container: &Container,
    record: &Record,
    processor: Option<&Processor>,
    state: ProcessorState,
) -> Error {
    let firmware = processor.and_then(|processor| firmware_name(&processor.path).ok()).unwrap_or_default();
    // A lesser user's lock kept its owner from holding one.
    if let Some(pid) = proxy::proxy_with(&firmware) {
        return owned(record, container, pid);
    }
    if let Some(other) = left_by(context, &firmware) {
        return problem(
            record,
            format!("it is {state}, with the firmware of container {other}, whose proxy has ended"),
            Some(format!("remoteproc-runtime delete {other} stops it")),
        );
    }
    let path = processor.map_or(&record.processor.device, |processor| &processor.path).join("state");
    let path = path.display();
    problem(
        record,
        format!("it is {state}, and was booted by something else than this runtime (firmware {firmware:?})"),
        Some(match state {
            // The kernel stops only what it has attached to.
            ProcessorState::Detached => format!("to free it: echo start > {path}, then echo stop > {path}"),
            _ => format!("to free it: echo stop > {path}"),
        }),
    )
}

fn left_by(context: &Context, firmware: &str) -> Option<ContainerId> {
    context.store.ids().ok()?.into_iter().find(|id| {
        let record = context.store.open(id).ok().and_then(|container| container.record().ok().flatten());
        record.is_some_and(|record| record.firmware.file_name().is_some_and(|name| name == firmware))
    })
}

fn owned(record: &Record, container: &Container, pid: i32) -> Error {
    let (who, hint) = match owner_of(pid) {
        Owner::Container { id, root } => {
            let elsewhere = Some(root.as_path()) != container.path.parent();
            let option = if elsewhere { format!("--root {} ", root.display()) } else { String::new() };
            let place = if elsewhere { format!(" of {}", root.display()) } else { String::new() };
            (format!("container {id}{place}"), format!("remoteproc-runtime {option}kill {id} stops it"))
        }
        Owner::Other(_) if pid == 0 => {
            ("a process outside this pid namespace".to_owned(), "see /proc/locks on the host".to_owned())
        }
        Owner::Other(comm) => (format!("process {comm}"), format!("end process {pid}, which holds its lock")),
    };
    problem(
        record,
        format!("it is owned by {who} (pid {pid}): one container runs on a processor at a time"),
        Some(hint),
    )
}
