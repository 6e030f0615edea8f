//! ps: the pid of a container's only process, its proxy.

use super::{Context, print};
use crate::cli::{self, PsFormat};
use crate::container::{ContainerId, Status};
use crate::error::{Error, Result};

pub fn run(context: &Context, args: &cli::Ps) -> Result<()> {
    let (_, record) = context.store.load(&ContainerId::new(&args.id)?, "list the processes of")?;
    if Status::of(&context.host, &record.proxy)? == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let pid = record.proxy.pid;
    print(&match args.format {
        PsFormat::Json => format!("[{pid}]\n"),
        PsFormat::Table => format!("PID\n{pid}\n"),
    });
    Ok(())
}
