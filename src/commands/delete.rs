//! delete: removes a stopped container, and what create made for it.

use argh::FromArgs;

use super::{Context, create, kill};
use crate::container::{Container, ContainerId, Record, Status};
use crate::error::{Error, Result};
use crate::firmware::StoredFirmware;
use crate::sys::clock::Deadline;

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
    let deadline = Deadline::after(kill::LIMIT);
    let container = context.store.open(id)?;
    // Before the lock: a start that waits for its driver holds that, and ends with its proxy.
    if let (true, Some(record)) = (force, container.record().ok().flatten()) {
        end_proxy(context, &record, deadline)?;
    }
    if !container.lock(deadline)? {
        return Err(Error::invalid("another command has held the container for 10 s: try again later"));
    }
    match container.record() {
        Ok(Some(record)) => delete_recorded(context, id, &container, &record, force, deadline),
        // The remains of a create that was killed, or a record that nobody can read.
        Ok(None) if force => create::clear(&container).and_then(|()| container.remove()),
        Err(error) if force => {
            log::warn!("{error}: removed all the same");
            create::clear(&container).and_then(|()| container.remove())
        }
        Ok(None) => Err(Error::DoesNotExist),
        Err(error) => Err(error),
    }
}

fn delete_recorded(
    context: &Context,
    id: &ContainerId,
    container: &Container,
    record: &Record,
    force: bool,
    deadline: Deadline,
) -> Result<()> {
    if force {
        // Again, under the lock: it may have been created while we waited.
        end_proxy(context, record, deadline)?;
    }
    let status = Status::of(&context.host, &record.proxy)?;
    if status != Status::Stopped {
        return Err(Error::WrongStatus {
            verb: "delete",
            status: status.word(),
            needs: "stopped",
            hint: format!("kill {id} first, or delete --force {id}"),
        });
    }
    // Only then the file: without it the kernel could not get the processor out of a crash.
    kill::release(context, record, false, deadline)?;
    StoredFirmware { path: record.firmware.clone() }.remove()?;
    container.remove()
}

fn end_proxy(context: &Context, record: &Record, deadline: Deadline) -> Result<()> {
    match record.proxy.open(&context.host)? {
        Some(proxy) => kill::end(record, &proxy, deadline),
        None => Ok(()),
    }
}
