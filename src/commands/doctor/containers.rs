//! Containers whose proxy is gone, and what killed creates left.

use std::path::{Path, PathBuf};

use super::command;
use super::report::{Level, Report};
use crate::container::{Container, Record, Seen, Status, Store};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::proxy;
use crate::remoteproc::{Processor, ProcessorState, firmware_name};
use crate::sys::process;

const ABOUT: &str = "container";

/// A container that a state directory has.
#[derive(Debug)]
pub struct Known {
    container: Container,
    root: PathBuf,
    seen: Result<Seen>,
}

impl Known {
    /// The name of its stored firmware, as far as it is known.
    pub fn firmware(&self) -> Option<String> {
        match &self.seen {
            Ok(Seen::Recorded(record)) => Some(record.stored()?.name().to_owned()),
            _ => Some(self.container.noted_firmware().ok()??.name().to_owned()),
        }
    }
}

/// The container that this firmware was stored for.
pub fn owner_of_firmware<'a>(containers: &'a [Known], firmware: &str) -> Option<&'a Known> {
    containers.iter().find(|known| known.firmware().as_deref() == Some(firmware))
}

/// The containers of the caller's state directory, and as root those of the others that root's proxies on this machine
/// show: what another user's process says of itself is no place for root to look at.
pub fn all(host: &Host, own: Option<&Store>) -> Vec<Known> {
    let mut roots = Vec::new();
    roots.extend(own.map(|store| store.root().to_owned()));
    if process::is_root() {
        for (pid, proxy) in proxy::proxies() {
            let ours = proxy.host_root == host.root() && process::owner(pid) == Some(0);
            let Some(root) = proxy.container.parent().filter(|_| ours) else { continue };
            if !roots.iter().any(|known| known == root) {
                roots.push(root.to_owned());
            }
        }
    }
    let mut containers = Vec::new();
    for root in roots {
        add(&mut containers, &root);
    }
    containers
}

/// Nothing where a directory cannot be read: that is said of the caller's own.
fn add(containers: &mut Vec<Known>, root: &Path) {
    let Ok(store) = Store::new(Some(root)) else { return };
    for id in store.ids().unwrap_or_default() {
        let Ok(container) = store.open(&id) else { continue };
        match container.look() {
            Err(Error::DoesNotExist) => {}
            seen => containers.push(Known { container, root: root.to_owned(), seen }),
        }
    }
}

pub fn check(report: &mut Report, host: &Host, containers: &[Known]) {
    let before = report.len();
    containers.iter().for_each(|known| without_proxy(report, host, known));
    if report.len() == before {
        report.say(Level::Ok, ABOUT, format_args!("none is without its proxy"));
    }
}

fn without_proxy(report: &mut Report, host: &Host, known: &Known) {
    let (mut level, mut force) = (Level::Warning, "--force ");
    let text = match &known.seen {
        Ok(Seen::Recorded(record)) => match Status::of(&record.host(), &record.proxy) {
            Ok(Status::Stopped) => {
                force = "";
                match left_on_processor(record) {
                    Some((name, state)) => {
                        format!("its proxy is gone, and {name} is {state} with its firmware")
                    }
                    None => {
                        level = Level::Note;
                        "stopped, and not deleted".to_owned()
                    }
                }
            }
            Ok(_) => return,
            Err(error) => error.to_string(),
        },
        Ok(Seen::BeingCreated) => return,
        Ok(Seen::Remains) => "a create that was killed left this".to_owned(),
        Err(error) => error.to_string(),
    };
    let (id, root) = (&known.container.id, known.root.display());
    let delete = command(host, Some(&known.root), &format!("delete {force}{id}"));
    report.say(level, ABOUT, format_args!("{id} of {root}: {text}")).fix(format_args!("{delete}"));
}

/// The processor that still has the container's firmware, and its state.
fn left_on_processor(record: &Record) -> Option<(&str, ProcessorState)> {
    let (identity, stored) = record.deployed()?;
    let processor = Processor::of(&record.host(), identity).ok()??;
    let state = ProcessorState::read(&processor.path).ok()?;
    let firmware = firmware_name(&processor.path).ok()?;
    let left = state != ProcessorState::Offline && firmware == stored.name();
    left.then_some((&identity.name, state))
}
