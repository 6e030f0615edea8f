//! ps: the pid of a container's only process, its proxy.

use argh::{FromArgValue, FromArgs};

use super::{Context, print};
use crate::container::{ContainerId, Status};
use crate::error::{Error, Result};

/// print the pid of a container's proxy
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "ps", help_triggers("-h", "--help"))]
pub struct Ps {
    /// table (default) or json
    #[argh(option, short = 'f', arg_name = "format", default = "PsFormat::Table")]
    pub format: PsFormat,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// How `ps` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum PsFormat {
    /// For people.
    Table,
    /// An array of pids.
    Json,
}

pub fn run(context: &Context, args: &Ps) -> Result<()> {
    let (_, record) = context.store.load(&ContainerId::new(&args.id)?, "list the processes of")?;
    if Status::of(&record.host(), &record.proxy)? == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let pid = record.proxy.pid;
    print(&match args.format {
        PsFormat::Json => format!("[{pid}]\n"),
        PsFormat::Table => format!("PID\n{pid}\n"),
    })
}
