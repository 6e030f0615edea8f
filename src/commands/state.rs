//! state: what a container is, as OCI JSON (runtime.md, State).

use std::collections::BTreeMap;
use std::path::PathBuf;

use argh::FromArgs;
use serde::Serialize;

use super::{Context, print};
use crate::bundle::OCI_VERSION;
use crate::container::{COREDUMP, Container, ContainerId, Record, Seen, Status};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::json;
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
/// The processor's memory after its last crash, while it is kept.
const COREDUMP_PATH: &str = "remoteproc.coredump-path";
/// The stored firmware file.
const FIRMWARE: &str = "remoteproc.firmware";

pub fn run(context: &Context, args: &State) -> Result<()> {
    let id = ContainerId::new(&args.id)?;
    let container = context.store.open(&id)?;
    let state = match container.look()? {
        Seen::Recorded(record) => document(&container, &record, &Sight::of(&record.host())?)?,
        Seen::BeingCreated => creating(&id),
        Seen::Remains => return Err(Error::DoesNotExist),
    };
    let text = serde_json::to_string_pretty(&state)
        .map_err(|e| Error::invalid(format!("the state cannot be shown: {e}")))?;
    print(&(json::harmless(text) + "\n"))
}

/// The state document (runtime.md, State). Sorted, so that the same container reads the same every time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The config's own, and ours; missing while the container is being created.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The bundle's directory, absolute; empty while the container is being created.
    pub bundle: PathBuf,
    /// The container's id.
    pub id: String,
    /// The specification that this document follows.
    pub oci_version: &'static str,
    /// The proxy's pid, while it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What the container is now.
    #[serde(serialize_with = "word")]
    pub status: Status,
}

fn word<S: serde::Serializer>(status: &Status, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(status.word())
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
///
/// # Errors
/// When its proxy cannot be looked at.
pub fn document(container: &Container, record: &Record, sight: &Sight) -> Result<Document> {
    let status = Status::in_boot(&sight.boot_id, &record.proxy)?;
    Ok(Document {
        annotations: annotations(container, record, sight),
        bundle: record.bundle.clone(),
        id: record.id.clone(),
        oci_version: OCI_VERSION,
        pid: matches!(status, Status::Created | Status::Running).then_some(record.proxy.pid),
        status,
    })
}

fn creating(id: &ContainerId) -> Document {
    Document {
        annotations: BTreeMap::new(),
        bundle: PathBuf::new(),
        id: id.as_str().to_owned(),
        oci_version: OCI_VERSION,
        pid: None,
        status: Status::Creating,
    }
}

fn annotations(container: &Container, record: &Record, sight: &Sight) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    // Whatever the config says: a path of ours is one to read. Not `remove`, which takes 4 kB of code.
    let ours = [RESOLVED_PATH, COREDUMP_PATH, FIRMWARE];
    for (name, value) in record.annotations.iter().filter(|(name, _)| !ours.contains(&name.as_str())) {
        annotations.insert(name.clone(), value.clone());
    }
    // Under whatever number it has now: another processor may have the one it had at create.
    let identity = record.processor.as_ref();
    let now = sight.processors.iter().find(|processor| Some(&processor.identity) == identity);
    if let Some(processor) = now {
        annotations.insert(RESOLVED_PATH.to_owned(), processor.path.display().to_string());
    }
    if let Some(firmware) = &record.firmware {
        annotations.insert(FIRMWARE.to_owned(), firmware.display().to_string());
    }
    let coredump = container.path.join(COREDUMP);
    if coredump.exists() {
        annotations.insert(COREDUMP_PATH.to_owned(), coredump.display().to_string());
    }
    annotations
}
