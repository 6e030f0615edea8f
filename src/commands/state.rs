//! state: what a container is, as OCI JSON (runtime.md, State).

use std::collections::HashMap;

use argh::FromArgs;
use oci_spec::runtime;

use super::{Context, print};
use crate::bundle::OCI_VERSION;
use crate::container::{ContainerId, Record, Seen, Status};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::Processor;

/// print a container's state as OCI JSON
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "state", help_triggers("-h", "--help"))]
pub struct State {
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// The sysfs directory of the processor, while its device is there.
const RESOLVED_PATH: &str = "remoteproc.resolved-path";
/// The stored firmware file.
const FIRMWARE: &str = "remoteproc.firmware";

pub fn run(context: &Context, args: &State) -> Result<()> {
    let id = ContainerId::new(&args.id)?;
    let container = context.store.open(&id)?;
    let state = match container.look()? {
        Seen::Recorded(record) => document(&record, &Sight::of(&record.host())?),
        Seen::BeingCreated => creating(&id),
        Seen::Remains => return Err(Error::DoesNotExist),
    };
    // Sorted keys: the same container reads the same every time.
    let value = serde_json::to_value(&state)
        .map_err(|e| Error::invalid(format!("the state cannot be shown: {e}")))?;
    print(&format!("{value:#}\n"));
    Ok(())
}

/// What a machine shows at one moment, looked at once for however many containers.
#[derive(Debug)]
pub struct Sight {
    boot_id: String,
    processors: Vec<Processor>,
}

impl Sight {
    /// Looks.
    ///
    /// # Errors
    /// When the boot id cannot be read.
    pub fn of(host: &Host) -> Result<Self> {
        // Without sysfs a container has no device for now, and still a status.
        Ok(Self { boot_id: host.boot_id()?, processors: Processor::list(host).unwrap_or_default() })
    }
}

/// The state document of a recorded container.
pub fn document(record: &Record, sight: &Sight) -> runtime::State {
    let status = Status::in_boot(&sight.boot_id, &record.proxy);
    let mut state = runtime::State::default();
    state.set_version(OCI_VERSION.to_owned());
    state.set_id(record.id.clone());
    state.set_status(status.into());
    state.set_pid(matches!(status, Status::Created | Status::Running).then_some(record.proxy.pid));
    state.set_bundle(record.bundle.clone());
    state.set_annotations(Some(annotations(record, sight)));
    state
}

fn creating(id: &ContainerId) -> runtime::State {
    let mut state = runtime::State::default();
    state.set_version(OCI_VERSION.to_owned());
    state.set_id(id.as_str().to_owned());
    state.set_status(Status::Creating.into());
    state
}

fn annotations(record: &Record, sight: &Sight) -> HashMap<String, String> {
    let mut annotations: HashMap<String, String> = record.annotations.clone().into_iter().collect();
    // Under whatever number it has now: another processor may have the one it had at create.
    let now = sight.processors.iter().find(|processor| processor.identity == record.processor);
    if let Some(processor) = now {
        annotations.insert(RESOLVED_PATH.to_owned(), processor.path.display().to_string());
    }
    annotations.insert(FIRMWARE.to_owned(), record.firmware.display().to_string());
    annotations
}
