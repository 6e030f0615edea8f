//! doctor: looks at everything that containers need, and says what mends what is wrong. One file a group of findings.

mod boards;
mod containers;
mod directory;
mod firmware;
mod kernel;
mod leftovers;
mod logs;
mod processors;
mod report;
mod rights;

use std::path::Path;
use std::process::ExitCode;

use argh::FromArgs;

use self::report::{Level, Report};
use super::list::ListFormat;
use super::processors::look;
use super::{Place, occupant, print};
use crate::board;
use crate::container::Store;
use crate::error::{Result, quoted};
use crate::host::Host;
use crate::json;

/// look for what keeps containers from running, and say what mends it; exits with 0 when they can run
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "doctor", help_triggers("-h", "--help"))]
pub struct Doctor {
    /// first mend what can be mended safely
    #[argh(switch)]
    pub fix: bool,
    /// table (default): a line a finding; or json
    #[argh(option, arg_name = "format", default = "ListFormat::Table")]
    pub format: ListFormat,
}

/// Whether there is a state directory is one of the findings.
pub fn run(place: &Place, store: &Result<Store>, args: &Doctor) -> Result<ExitCode> {
    let mut report = Report::default();
    if args.fix {
        firmware::mend(&mut report, &place.host);
        leftovers::mend(&mut report, &place.host, store.as_ref().ok());
    }
    examine(&mut report, place, store);
    print(&match args.format {
        ListFormat::Table => report.lines(),
        ListFormat::Json => json::lines(&report.to_json()),
    })?;
    Ok(if report.can_run() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at everything, and changes nothing.
fn examine(report: &mut Report, place: &Place, store: &Result<Store>) {
    let host = &place.host;
    let own = store.as_ref().ok();
    let root = own.map(Store::root);
    let board = board::find(host, place.board.as_deref());
    let containers = containers::all(host, own);
    let seen = look(host, board.as_ref().ok().and_then(Option::as_ref)).unwrap_or_else(|error| {
        report.say(Level::Error, "kernel", format_args!("{error}"));
        Vec::new()
    });
    kernel::check(report, host, &seen);
    rights::check(report, &seen);
    processors::check(report, &seen, &containers);
    boards::check(report, host, &board, &seen);
    firmware::check(report, host, root);
    leftovers::check(report, host, root, &containers);
    directory::check(report, store);
    containers::check(report, host, &containers);
    logs::check(report, host);
}

/// This program's own command line for `words`, about the same machine, and the state directory `root`.
fn command(host: &Host, root: Option<&Path>, words: &str) -> String {
    match host.root() == Path::new("/") {
        true => occupant::command(root, words),
        false => occupant::command(root, &format!("--host-root {} {words}", quoted(host.root()))),
    }
}

/// Adds a name to a list of them in words.
fn list(names: &mut String, name: &str) {
    if !names.is_empty() {
        names.push_str(", ");
    }
    names.push_str(name);
}
