//! logs: what a firmware wrote to its trace buffers, without an engine.

use std::io::Write;
use std::time::Duration;

use argh::FromArgs;
use rustix::event::PollFd;
use rustix::io::Errno;

use super::Context;
use crate::container::{Container, ContainerId, Record, Status, TRACE};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{Identity, Processor, Traces};
use crate::sys::clock::timespec;
use crate::sys::process::Process;

/// show what a container's firmware wrote to its trace buffers
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "logs", help_triggers("-h", "--help"))]
pub struct Logs {
    /// go on until the container ends
    #[argh(switch, short = 'f')]
    pub follow: bool,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// How often to look for something new: nothing tells of it.
const PAUSE: Duration = Duration::from_millis(100);

pub fn run(context: &Context, args: &Logs) -> Result<()> {
    let (container, record) = context.store.load(&ContainerId::new(&args.id)?, "show the logs of")?;
    let Some(identity) = &record.processor else {
        log::warn!("container {}: it is the sandbox of a pod, and runs no firmware", args.id);
        return Ok(());
    };
    let proxy = match Status::of(&record.host(), &record.proxy)? {
        Status::Stopped => None,
        Status::Created if !args.follow => {
            log::warn!("container {}: not started, so its firmware has written nothing", args.id);
            return Ok(());
        }
        _ => Process::open(record.proxy.pid, record.proxy.start_time)
            .map_err(|e| Error::io("open", format!("/proc/{}", record.proxy.pid), e))?,
    };
    let Some(proxy) = proxy else { return show_kept(&container) };
    let mut traces = None;
    loop {
        if traces.is_none() {
            traces = open(&record.host(), identity, args.follow)?;
        }
        // Its end is seen before the last look, so that nothing comes behind that.
        let ended = args.follow && has_ended(&proxy, &record)?;
        let heard = traces.as_mut().is_none_or(pass_on);
        if ended || !args.follow || !heard {
            break;
        }
    }
    if traces.is_none() && args.follow {
        return show_kept(&container);
    }
    Ok(())
}

/// The buffers of a running container; `None` with a word about it, or silence while they may still come.
fn open(host: &Host, identity: &Identity, may_come: bool) -> Result<Option<Traces>> {
    let Some(processor) = Processor::of(host, identity)? else { return Ok(None) };
    match Traces::of(host, &processor) {
        Ok(traces) => Ok(Some(traces)),
        Err(Errno::NOENT) if may_come => Ok(None),
        Err(Errno::NOENT) => {
            let name = &identity.name;
            log::warn!("the firmware on {name} has no trace buffer, or debugfs is not mounted: see doctor");
            Ok(None)
        }
        Err(errno) => Err(Error::io("read", host.path("sys/kernel/debug/remoteproc"), errno)),
    }
}

/// Waits a moment for the container's end; whether it came.
fn has_ended(proxy: &Process, record: &Record) -> Result<bool> {
    let mut fds: [PollFd<'_>; 1] = [proxy.poll_fd()];
    match rustix::event::poll(&mut fds, Some(&timespec(PAUSE))) {
        Ok(_) | Err(Errno::INTR) => Ok(!fds[0].revents().is_empty()),
        Err(e) => Err(Error::io("wait for", format!("/proc/{}", record.proxy.pid), e)),
    }
}

/// Prints what is new; whether somebody still reads it.
fn pass_on(traces: &mut Traces) -> bool {
    let mut read = true;
    // A buffer that is gone went with its firmware: the container's end comes next.
    let _ = traces.pass_on(&mut |text| {
        let mut stdout = std::io::stdout();
        read = read && stdout.write_all(text).and_then(|()| stdout.flush()).is_ok();
        if read { text.len() } else { 0 }
    });
    read
}

/// Prints what the proxy kept at its end.
fn show_kept(container: &Container) -> Result<()> {
    let path = container.path.join(TRACE);
    match std::fs::File::open(&path) {
        Ok(mut kept) => {
            // A reader that is gone is no failure of ours.
            let _ = std::io::copy(&mut kept, &mut std::io::stdout());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            log::warn!("container {}: its firmware left no trace", container.id);
            Ok(())
        }
        Err(error) => Err(Error::io("read", path, error)),
    }
}
