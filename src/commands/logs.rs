//! logs: what a firmware wrote to its trace buffers, without an engine.

use std::time::Duration;

use argh::FromArgs;
use rustix::io::Errno;

use super::screen::Screen;
use super::{Context, is_read};
use crate::container::{Container, ContainerId, Record, Status, TRACE, kept_trace};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::remoteproc::{Identity, Processor, Traces};
use crate::sys::clock::Deadline;
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
    match proxy {
        None => show_kept(&container),
        Some(proxy) if args.follow => follow(&container, &record, identity, &proxy),
        Some(_) => show_now(&record.host(), identity),
    }
}

/// Prints what the buffers of a running container hold now.
fn show_now(host: &Host, identity: &Identity) -> Result<()> {
    match open(host, identity)? {
        Some(mut traces) => {
            pass_on(host, &mut traces, &mut Screen::new())?;
        }
        None => {
            let name = &identity.name;
            log::warn!("the firmware on {name} has no trace buffer, or debugfs is not mounted: see doctor");
        }
    }
    Ok(())
}

/// Prints what comes, until the container ends or nobody reads it any longer.
fn follow(container: &Container, record: &Record, identity: &Identity, proxy: &Process) -> Result<()> {
    let host = record.host();
    let (mut traces, mut screen) = (None, Screen::new());
    loop {
        // They come with the start.
        if traces.is_none() {
            traces = open(&host, identity)?;
        }
        // Its end is seen before the last look, so that nothing comes behind that.
        let ended = proxy
            .wait_until(Deadline::after(PAUSE))
            .map_err(|e| Error::io("wait for", format!("/proc/{}", record.proxy.pid), e))?;
        let heard = traces.as_mut().map_or(Ok(true), |traces| pass_on(&host, traces, &mut screen))?;
        match traces {
            None if ended => return show_kept(container),
            _ if ended || !heard => return Ok(()),
            _ => {}
        }
    }
}

/// The buffers of the firmware on a processor; `None` where it has none, or they cannot be seen.
fn open(host: &Host, identity: &Identity) -> Result<Option<Traces>> {
    let Some(processor) = Processor::of(host, identity)? else { return Ok(None) };
    match Traces::of(host, &processor) {
        Ok(traces) => Ok(Some(traces)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::io("read", host.remoteproc_debugfs(), errno)),
    }
}

/// Prints what is new; whether somebody still reads it.
fn pass_on(host: &Host, traces: &mut Traces, screen: &mut Screen) -> Result<bool> {
    let mut written = Ok(());
    let passed = traces.pass_on(&mut |text| {
        if written.is_ok() {
            written = screen.write(text);
        }
        if written.is_ok() { text.len() } else { 0 }
    });
    let read = is_read(written)?;
    match passed {
        // A buffer that is gone went with its firmware: the container's end comes next.
        Ok(_) | Err(Errno::NOENT | Errno::NODEV) => Ok(read),
        Err(errno) => Err(Error::io("read", host.remoteproc_debugfs(), errno)),
    }
}

/// Prints what the proxy kept at its end.
fn show_kept(container: &Container) -> Result<()> {
    match kept_trace(container) {
        Ok(kept) => is_read(Screen::new().write(&kept)).map(drop),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            log::warn!("container {}: its firmware left no trace", container.id);
            Ok(())
        }
        Err(error) => Err(Error::io("read", container.path.join(TRACE), error)),
    }
}
