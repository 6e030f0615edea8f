//! Who has a processor that is to be started, in words, and how to free it.

use std::path::Path;

use super::Context;
use crate::container::{Container, ContainerId, Record, Store};
use crate::error::{Error, quoted};
use crate::proxy::{self, Owner, owner_of};
use crate::remoteproc::{ProcessorState, firmware_name};
use crate::sys::process;

/// The processor, in sysfs at `place`, was in use although its lock was to be had: who uses it or left it so.
pub fn in_use(
    context: &Context,
    container: &Container,
    record: &Record,
    place: &Path,
    state: ProcessorState,
) -> Error {
    let firmware = firmware_name(place).unwrap_or_default();
    // A lesser user's lock kept its owner from holding one.
    if let Some(pid) = proxy::proxy_with(&firmware) {
        return owned(record, container, pid);
    }
    if let Some(other) = left_by(context, &firmware) {
        let delete = command(container.path.parent(), &format!("delete {other}"));
        return processor_error(
            record,
            format!("it is {state}, with the firmware of container {other}, whose proxy has ended"),
            Some(format!("{delete} stops it")),
        );
    }
    let path = place.join("state");
    let path = path.display();
    processor_error(
        record,
        format!("it is {state}, and was booted by something else than this runtime (firmware {firmware:?})"),
        Some(match state {
            // The kernel stops only what it has attached to.
            ProcessorState::Detached => format!("to free it: echo start > {path}, then echo stop > {path}"),
            _ => format!("to free it: echo stop > {path}"),
        }),
    )
}

/// Process `pid` owns the processor.
pub fn owned(record: &Record, container: &Container, pid: i32) -> Error {
    let (who, hint) = match owner_of(pid) {
        Owner::Container { id, root } => {
            let elsewhere = Some(root.as_path()) != container.path.parent();
            let place = if elsewhere { format!(" of {}", root.display()) } else { String::new() };
            (
                format!("container {id}{place}"),
                format!("{} stops it", command(Some(&root), &format!("kill {id}"))),
            )
        }
        Owner::Other(_) if pid == 0 => {
            ("a process outside this pid namespace".to_owned(), "see /proc/locks on the host".to_owned())
        }
        Owner::Other(_) if proxy::is_helper(pid) => (
            "a helper that stops what another container left".to_owned(),
            "try again later; if the driver never comes back, reboot the board".to_owned(),
        ),
        Owner::Other(_) if process::arguments(pid).is_empty() => {
            return processor_error(
                record,
                format!("it was owned by process {pid}, which has ended by now"),
                Some(format!("delete {}, create it again and start it", record.id)),
            );
        }
        Owner::Other(comm) => (format!("process {comm}"), format!("end process {pid}, which holds its lock")),
    };
    processor_error(
        record,
        format!("it is owned by {who} (pid {pid}): one container runs on a processor at a time"),
        Some(hint),
    )
}

/// What is wrong with the processor of a container, or with the proxy of a pod's sandbox.
pub fn processor_error(record: &Record, problem: String, hint: Option<String>) -> Error {
    match &record.processor {
        Some(processor) => Error::Processor { name: processor.name.clone(), problem, hint },
        None => Error::invalid(problem),
    }
}

/// The container whose firmware this is.
pub fn left_by(context: &Context, firmware: &str) -> Option<ContainerId> {
    context.store.ids().ok()?.into_iter().find(|id| {
        let record = context.store.open(id).ok().and_then(|container| container.record().ok().flatten());
        record.and_then(|record| record.stored()).is_some_and(|stored| stored.name() == firmware)
    })
}

/// A command line about a container of the state directory `root`: engines keep theirs elsewhere than a user's shell.
pub fn command(root: Option<&Path>, words: &str) -> String {
    let default = Store::new(None).ok();
    match root.filter(|root| default.as_ref().is_none_or(|default| default.root() != *root)) {
        Some(root) => format!("remoteproc-runtime --root {} {words}", quoted(root)),
        None => format!("remoteproc-runtime {words}"),
    }
}
