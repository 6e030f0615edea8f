//! delete: removes a stopped container, and what create made for it.

use argh::FromArgs;
use rustix::process::Signal;

use super::{Context, create, kill, order};
use crate::container::{Container, ContainerId, Record, STOP_TIMEOUT, Status};
use crate::error::{Error, Result};
use crate::proxy;
use crate::remoteproc::{Processor, firmware_name};
use crate::sys::clock::Deadline;
use crate::sys::process::{self, Process};

/// remove a stopped container and its stored firmware
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "delete", help_triggers("-h", "--help"))]
pub struct Delete {
    /// end it first, whatever its status; an unknown id is no error
    #[argh(switch, short = 'f')]
    pub force: bool,
    /// container id
    #[argh(positional)]
    pub id: String,
}

pub fn run(context: &Context, args: &Delete) -> Result<()> {
    let id = ContainerId::new(&args.id)?;
    match delete(context, &id, args.force) {
        Err(Error::DoesNotExist) if args.force => Ok(()),
        other => other,
    }
}

/// Deletes a container; with `force` it is ended first, whatever its status.
pub fn delete(context: &Context, id: &ContainerId, force: bool) -> Result<()> {
    let container = context.store.open(id)?;
    let record = container.record().ok().flatten();
    let limit = record.as_ref().map_or(STOP_TIMEOUT, Record::stop_timeout);
    let deadline = Deadline::after(limit);
    // Before the lock, which a start that waits for its driver holds until it or its proxy ends.
    if let Some(record) = record {
        end_or_refuse(id, &record, force, deadline)?;
    }
    if !container.lock(deadline)? {
        let limit = limit.as_secs();
        return Err(Error::invalid(format!(
            "another command has held the container for {limit} s: try again later"
        )));
    }
    match container.record() {
        Ok(Some(record)) => delete_recorded(id, &container, &record, force, deadline),
        // There is no container, and its lock was to be had: what is left of one goes, too.
        Ok(None) => {
            delete_unrecorded(context, &container, deadline)?;
            Err(Error::DoesNotExist)
        }
        Err(error @ Error::Invalid(_)) if force => {
            log::warn!("{error}: deleted all the same");
            delete_unrecorded(context, &container, deadline)
        }
        Err(error) => Err(error),
    }
}

/// Deletes the remains of a create that was killed, or a container whose record nobody can read.
fn delete_unrecorded(context: &Context, container: &Container, deadline: Deadline) -> Result<()> {
    for pid in proxy::proxies_of(&container.path) {
        let failed = |e| Error::io("kill", format!("/proc/{pid}"), e);
        let start_time =
            process::observe(pid).map_err(failed)?.map(|seen| seen.start_time).unwrap_or_default();
        if let Some(proxy) = Process::open(pid, start_time).map_err(failed)? {
            proxy.signal(Signal::KILL).map_err(failed)?;
            proxy.wait_until(deadline).map_err(failed)?;
        }
    }
    if let Some(stored) = container.noted_firmware()? {
        for processor in Processor::list(&context.host)? {
            // Which processor a note is about, only the record says.
            let ours = firmware_name(&processor.path).is_ok_and(|name| name == stored.name());
            let noted = ours.then_some(container);
            kill::release(&context.host, &processor.identity, &stored, noted, false, deadline)?;
        }
    }
    create::clear(&context.host, container)?;
    container.remove()
}

fn delete_recorded(
    id: &ContainerId,
    container: &Container,
    record: &Record,
    force: bool,
    deadline: Deadline,
) -> Result<()> {
    // Again, under the lock: it may have been created while we waited.
    end_or_refuse(id, record, force, deadline)?;
    // Only then the file: without it the kernel could not get the processor out of a crash.
    if let Some((processor, stored)) = record.deployed() {
        let host = record.host();
        let noted = record.is_of_this_boot(&host)?.then_some(container);
        kill::release(&host, processor, &stored, noted, false, deadline)?;
        stored.remove()?;
    }
    container.remove()
}

/// Leaves a stopped container: by force its proxy is ended, else one that is not stopped is refused.
fn end_or_refuse(id: &ContainerId, record: &Record, force: bool, deadline: Deadline) -> Result<()> {
    let host = record.host();
    if force {
        if Status::of(&host, &record.proxy)? == Status::Running {
            order::check_stop(record)?;
        }
        return match record.proxy.open(&host)? {
            Some(proxy) => kill::end(record, &proxy, deadline),
            None => Ok(()),
        };
    }
    match Status::of(&host, &record.proxy)? {
        Status::Stopped => Ok(()),
        status => Err(Error::WrongStatus {
            verb: "delete",
            status: status.word(),
            needs: "stopped",
            hint: format!("kill {id} first, or delete --force {id}"),
        }),
    }
}
