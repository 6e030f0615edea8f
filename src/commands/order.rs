//! The order in which the processors of a board start and stop: what the kernel would refuse with a bare EPERM is refused
//! before anything is touched, with the name of the processor that comes first.

use super::occupant::{command, processor_error};
use crate::container::Record;
use crate::error::Result;
use crate::host::Host;
use crate::proxy::{Owner, owner_of, proxy_with};
use crate::remoteproc::{Identity, Processor, ProcessorState, firmware_name};

/// The processor that must run before this one does.
///
/// # Errors
/// When it does not.
pub fn check_start(record: &Record) -> Result<()> {
    let Some(after) = &record.order.after else { return Ok(()) };
    match look(&record.host(), after) {
        Some((_, state)) if !runs(state) => Err(processor_error(
            record,
            format!("it starts only while {} runs, which is {state}", after.name),
            Some(format!("start a container on {} first", after.name)),
        )),
        // One that cannot be seen is left for the kernel to judge.
        _ => Ok(()),
    }
}

/// The processors that must have stopped before this one does.
///
/// # Errors
/// When one of them runs.
pub fn check_stop(record: &Record) -> Result<()> {
    let host = record.host();
    for before in &record.order.before {
        let Some((processor, state)) = look(&host, before).filter(|(_, state)| runs(*state)) else {
            continue;
        };
        let firmware = firmware_name(&processor.path).unwrap_or_default();
        let hint = match proxy_with(&firmware).map(owner_of) {
            Some(Owner::Container { id, root }) => {
                format!("{} stops that one", command(Some(&root), &format!("kill {id}")))
            }
            _ => format!("to stop that one: echo stop > {}/state", processor.path.display()),
        };
        let problem = format!("it stops only after {}, which is {state}", before.name);
        return Err(processor_error(record, problem, Some(hint)));
    }
    Ok(())
}

fn look(host: &Host, identity: &Identity) -> Option<(Processor, ProcessorState)> {
    let processor = Processor::of(host, identity).ok().flatten()?;
    let state = ProcessorState::read(&processor.path).ok()?;
    Some((processor, state))
}

fn runs(state: ProcessorState) -> bool {
    matches!(state, ProcessorState::Running | ProcessorState::Attached)
}
