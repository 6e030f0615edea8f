//! processors: what the kernel lists, by the names that people use, and who has it; for Kubernetes as feature labels.

use argh::{FromArgValue, FromArgs};
use serde_json::Value;

use super::columns::{columns, header};
use super::{Place, print};
use crate::board::{self, Board, ProcessorProfile};
use crate::error::{Result, one_line};
use crate::host::Host;
use crate::json;
use crate::proxy::{self, Owner, owner_of};
use crate::remoteproc::{Processor, ProcessorState, firmware_name, holder_of};

/// list the processors, with their aliases, states and owners
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "processors", help_triggers("-h", "--help"))]
pub struct Processors {
    /// table (default), json, or nfd: labels for Node Feature Discovery
    #[argh(option, short = 'f', arg_name = "format", default = "ProcessorsFormat::Table")]
    pub format: ProcessorsFormat,
}

/// How `processors` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum ProcessorsFormat {
    /// For people.
    Table,
    /// An array of objects.
    Json,
    /// A feature file for the local source of Node Feature Discovery.
    Nfd,
}

/// A processor as it was at one moment.
pub struct Seen<'a> {
    /// Which one.
    pub processor: Processor,
    /// What the board's profile knows of it.
    pub profile: Option<&'a ProcessorProfile>,
    /// `None` where it cannot be read: it is gone by now, or its driver gives something that is no word.
    pub state: Option<ProcessorState>,
    /// The attribute `firmware`; `None` where it cannot be read.
    pub firmware: Option<String>,
    /// Who has it, and that process.
    pub owner: Option<(i32, Owner)>,
}

impl Seen<'_> {
    /// What people call it.
    pub fn name(&self) -> &str {
        self.profile.map_or(&self.processor.identity.name, ProcessorProfile::alias)
    }

    fn state(&self) -> Option<&'static str> {
        self.state.map(ProcessorState::word)
    }
}

pub fn run(place: &Place, args: &Processors) -> Result<()> {
    let board = board::find(&place.host, place.board.as_deref())?;
    let processors = look(&place.host, board.as_ref())?;
    print(&match args.format {
        ProcessorsFormat::Table => columns(&rows(&processors)),
        ProcessorsFormat::Json => json::lines(&processors.iter().map(object).collect()),
        ProcessorsFormat::Nfd => labels(board.as_ref(), &processors),
    })
}

/// Looks at all processors, and changes nothing: no lock is taken that a start may want at this moment.
///
/// # Errors
/// When the kernel's list cannot be read.
pub fn look<'a>(host: &Host, board: Option<&'a Board>) -> Result<Vec<Seen<'a>>> {
    let mut all = Vec::new();
    for processor in Processor::list(host)? {
        let profile = board.and_then(|board| board.profile_of(&processor));
        let state = ProcessorState::read(&processor.path).ok();
        let firmware = firmware_name(&processor.path).ok();
        // A lesser user's lock keeps root's proxy from holding one.
        let by_firmware = firmware.as_deref().filter(|_| state != Some(ProcessorState::Offline));
        let pid = by_firmware.and_then(proxy::proxy_with).or_else(|| holder_of(&processor));
        let owner = pid.map(|pid| (pid, owner_of(pid)));
        all.push(Seen { processor, profile, state, firmware, owner });
    }
    Ok(all)
}

fn rows(processors: &[Seen<'_>]) -> Vec<Vec<String>> {
    let mut rows = header(&["ALIAS", "NAME", "KERNEL", "DEVICE", "STATE", "FIRMWARE", "OWNER"]);
    rows.extend(processors.iter().map(|seen| {
        let owner = match &seen.owner {
            None => "-".to_owned(),
            Some((_, Owner::Container { id, root })) => format!("{id} ({})", root.display()),
            Some((pid, Owner::Other(name))) => format!("{name} (pid {pid})"),
        };
        let cells = [
            seen.profile.map_or("-", ProcessorProfile::alias),
            &seen.processor.identity.name,
            seen.processor.kernel_name(),
            seen.processor.device_name(),
            seen.state().unwrap_or("-"),
            seen.firmware.as_deref().unwrap_or("-"),
            &owner,
        ];
        cells.iter().map(|cell| one_line(cell)).collect()
    }));
    rows
}

fn object(seen: &Seen<'_>) -> Value {
    let identity = &seen.processor.identity;
    let owner = seen.owner.as_ref().map(|(pid, owner)| {
        let mut pairs = match owner {
            Owner::Container { id, root } => {
                vec![("container", json::text(id.as_str())), ("root", json::path(root))]
            }
            Owner::Other(name) => vec![("process", json::text(name))],
        };
        pairs.push(("pid", (*pid).into()));
        json::object(pairs)
    });
    json::object(vec![
        ("aliases", json::texts(seen.profile.map_or(&[][..], |profile| &profile.aliases))),
        ("name", json::text(&identity.name)),
        ("path", json::path(&seen.processor.path)),
        ("device", json::path(&identity.device)),
        ("state", seen.state().into()),
        ("firmware", seen.firmware.as_deref().into()),
        ("owner", owner.into()),
    ])
}

/// The namespace of labels that Node Feature Discovery takes without being told to.
const NAMESPACE: &str = "feature.node.kubernetes.io/";

/// The longest name and the longest value of a label, in bytes (Kubernetes, Labels and Selectors).
const LABEL: usize = 63;

/// What stays as it is while firmware comes and goes: a label that changed with the state would move pods about.
fn labels(board: Option<&Board>, processors: &[Seen<'_>]) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| {
        for part in [NAMESPACE, name, "=", value, "\n"] {
            text.push_str(part);
        }
    };
    if let Some(board) = board {
        add("remoteproc-board", &label(&board.profile.name));
    }
    let names: Vec<String> =
        processors.iter().map(|seen| label(&format!("remoteproc-processor.{}", seen.name()))).collect();
    for (index, name) in names.iter().enumerate() {
        // One line for all that share a name.
        if names.iter().position(|known| known == name) == Some(index) {
            add(name, &names.iter().filter(|known| *known == name).count().to_string());
        }
    }
    text
}

/// `text` as the name or the value of a label: letters, digits and `-_.`, the first and the last a letter or digit.
fn label(text: &str) -> String {
    let known = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let label: String = text.chars().map(known).take(LABEL).collect();
    label.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_kubernetes_takes() {
        for (text, expected) in [
            ("remoteproc-processor.m4", "remoteproc-processor.m4"),
            ("remoteproc-processor.r5@0", "remoteproc-processor.r5_0"),
            ("a=b\nc/ü", "a_b_c"),
            ("..a..", "a"),
            ("", ""),
        ] {
            assert_eq!(label(text), expected);
        }
        assert_eq!(label(&"x".repeat(100)).len(), LABEL);
        assert_eq!(label(&format!("{}..x", "x".repeat(61))).len(), 61, "cut behind a dot");
    }
}
