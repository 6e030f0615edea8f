//! list: the containers of the state directory, as runc prints them.

use oci_spec::runtime::State;
use serde_json::{Value, json};

use super::{Context, print, state};
use crate::cli::{self, ListFormat};
use crate::container::{ContainerId, Record};
use crate::error::Result;

/// One line: what could be told of a container.
struct Entry {
    id: ContainerId,
    known: Option<(State, Record)>,
}

pub fn run(context: &Context, args: &cli::List) -> Result<()> {
    let ids = context.store.ids()?;
    if args.quiet {
        print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
        return Ok(());
    }
    let entries: Vec<Entry> = ids.into_iter().filter_map(|id| look(context, id)).collect();
    match args.format {
        ListFormat::Table => print(&table(&entries)),
        ListFormat::Json => print(&format!("{}\n", Value::Array(entries.iter().map(object).collect()))),
    }
    Ok(())
}

/// What can be told; `None` for a container deleted meanwhile.
fn look(context: &Context, id: ContainerId) -> Option<Entry> {
    let container = context.store.open(&id).ok()?;
    let known = match container.record() {
        Ok(Some(record)) => state::document(context, &record).ok().map(|state| (state, record)),
        Ok(None) => None,
        Err(error) => {
            log::warn!("container {id}: {error}");
            None
        }
    };
    Some(Entry { id, known })
}

fn table(entries: &[Entry]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(entries.iter().map(|entry| match &entry.known {
        Some((state, record)) => [
            entry.id.to_string(),
            state.pid().unwrap_or(0).to_string(),
            state.status().to_string(),
            record.bundle.display().to_string(),
            record.created.clone(),
            owner(record.owner),
        ],
        None => [entry.id.to_string(), "0".into(), "unknown".into(), "-".into(), "-".into(), "-".into()],
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

/// The user's name where /etc/passwd has it, as runc prints it, else `#UID`.
fn owner(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, id, ..] if id.parse() == Ok(uid) => Some((*name).to_owned()),
            _ => None,
        }
    });
    name.unwrap_or_else(|| format!("#{uid}"))
}

fn object(entry: &Entry) -> Value {
    match &entry.known {
        Some((state, record)) => json!({
            "ociVersion": state.version(),
            "id": entry.id.as_str(),
            "pid": state.pid().unwrap_or(0),
            "status": state.status().to_string(),
            "bundle": record.bundle,
            "rootfs": record.rootfs,
            "created": record.created,
            "annotations": state.annotations(),
            "owner": owner(record.owner),
        }),
        None => json!({ "id": entry.id.as_str(), "pid": 0, "status": "unknown" }),
    }
}
