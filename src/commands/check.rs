//! check: examines a firmware as create does, without touching anything; on a workstation too.

mod document;
mod subject;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use argh::{FromArgValue, FromArgs};

use super::{Place, print};
use crate::error::Result;
use crate::json;
use subject::Subject;

/// examine a firmware for a processor, touching nothing
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "check", help_triggers("-h", "--help"))]
#[argh(error_code(1, "it does not fit"))]
pub struct Check {
    /// board profile (default: the one that the device tree asks for)
    #[argh(option, arg_name = "name")]
    pub board: Option<String>,
    /// the processor: an alias of the board's, or a name of the kernel's (default: the bundle's, or the board's only one)
    #[argh(option, arg_name = "name")]
    pub processor: Option<String>,
    /// table (default) or json
    #[argh(option, arg_name = "format", default = "CheckFormat::Table")]
    pub format: CheckFormat,
    /// ELF file, or directory with config.json
    #[argh(positional, arg_name = "firmware|bundle")]
    pub subject: PathBuf,
}

/// How `check` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum CheckFormat {
    /// For people.
    Table,
    /// One object, see docs/check.md.
    Json,
}

pub fn run(place: &Place, args: &Check) -> Result<ExitCode> {
    let subject = Subject::of(place, args)?;
    match args.format {
        CheckFormat::Table => print(&table::table(&subject))?,
        CheckFormat::Json => print(&json::lines(&document::object(&subject)))?,
    }
    Ok(if subject.fits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
