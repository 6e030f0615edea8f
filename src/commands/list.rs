//! list: the containers of the state directory, as runc prints them.

use std::path::PathBuf;
use std::rc::Rc;

use argh::{FromArgValue, FromArgs};
use serde_json::Value;

use super::columns::{columns, header};
use super::state::{self, Document, Sight};
use super::{Context, print};
use crate::container::{ContainerId, Record, Seen};
use crate::error::{Error, Result, one_line};
use crate::host::Host;
use crate::json;

/// list the containers of the state directory
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"))]
pub struct List {
    /// table (default) or json
    #[argh(option, short = 'f', arg_name = "format", default = "ListFormat::Table")]
    pub format: ListFormat,
    /// ids only
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// How `list` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum ListFormat {
    /// For people.
    Table,
    /// An array of objects.
    Json,
}

/// One line: what could be told of a container.
struct Entry {
    id: ContainerId,
    /// What else could be told: `creating`, or `unknown` for a broken record and what a killed create left.
    known: Result<(Document, Record), &'static str>,
}

pub fn run(context: &Context, args: &List) -> Result<()> {
    let ids = context.store.ids()?;
    if args.quiet {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    let mut sights = Sights::default();
    let entries: Vec<Entry> = ids.into_iter().filter_map(|id| look(context, id, &mut sights)).collect();
    match args.format {
        ListFormat::Table => print(&table(context, &entries)),
        ListFormat::Json => {
            print(&json::lines(&entries.iter().map(|entry| object(context, entry)).collect()))
        }
    }
}

/// Each machine is looked at once, not once a container; nearly always there is one.
#[derive(Default)]
struct Sights(Vec<(PathBuf, Rc<Sight>)>);

impl Sights {
    fn of(&mut self, record: &Record) -> Result<Rc<Sight>> {
        if let Some((_, known)) = self.0.iter().find(|(root, _)| *root == record.host_root) {
            return Ok(Rc::clone(known));
        }
        let sight = Rc::new(Sight::of(&record.host())?);
        self.0.push((record.host_root.clone(), Rc::clone(&sight)));
        Ok(sight)
    }
}

/// What can be told; `None` for a container deleted meanwhile.
fn look(context: &Context, id: ContainerId, sights: &mut Sights) -> Option<Entry> {
    let container = context.store.open(&id).ok()?;
    let known = match container.look() {
        Ok(Seen::Recorded(record)) => {
            let document = sights.of(&record).and_then(|sight| state::document(&container, &record, &sight));
            match document {
                Ok(document) => Ok((document, *record)),
                Err(error) => unknown(&id, &error),
            }
        }
        Ok(Seen::BeingCreated) => Err("creating"),
        Ok(Seen::Remains) => Err("unknown"),
        Err(Error::DoesNotExist) => return None,
        Err(error) => unknown(&id, &error),
    };
    Some(Entry { id, known })
}

fn unknown<T>(id: &ContainerId, error: &Error) -> Result<T, &'static str> {
    log::warn!("container {id}: {error}");
    Err("unknown")
}

fn table(context: &Context, entries: &[Entry]) -> String {
    let mut rows = header(&["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    rows.extend(entries.iter().map(|entry| match &entry.known {
        Ok((state, record)) => vec![
            entry.id.to_string(),
            state.pid.unwrap_or(0).to_string(),
            state.status.word().to_owned(),
            one_line(&record.bundle.display().to_string()),
            record.created.clone(),
            owner(&context.host, record.owner),
        ],
        Err(status) => {
            vec![entry.id.to_string(), "0".into(), (*status).into(), "-".into(), "-".into(), "-".into()]
        }
    }));
    columns(&rows)
}

/// The user's name where /etc/passwd has it, as runc prints it, else `#UID`.
fn owner(host: &Host, uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let passwd = std::fs::read_to_string(host.path("etc/passwd")).unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, id, ..] if id.parse() == Ok(uid) => Some((*name).to_owned()),
            _ => None,
        }
    });
    name.unwrap_or_else(|| format!("#{uid}"))
}

fn object(context: &Context, entry: &Entry) -> Value {
    match &entry.known {
        Ok((state, record)) => {
            let annotations =
                state.annotations.iter().map(|(name, value)| (name.as_str(), json::text(value)));
            json::object(vec![
                ("ociVersion", json::text(state.oci_version)),
                ("id", json::text(entry.id.as_str())),
                ("pid", state.pid.unwrap_or(0).into()),
                ("status", json::text(state.status.word())),
                ("bundle", json::path(&record.bundle)),
                ("rootfs", json::path(&record.rootfs)),
                ("created", json::text(&record.created)),
                ("annotations", json::object(annotations.collect())),
                ("owner", json::text(&owner(&context.host, record.owner))),
            ])
        }
        Err(status) => json::object(vec![
            ("id", json::text(entry.id.as_str())),
            ("pid", 0.into()),
            ("status", json::text(status)),
        ]),
    }
}
