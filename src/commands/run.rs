//! run: create, start, wait for the end, delete.

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use rustix::event::PollFlags;
use rustix::process::Signal;

use super::create::{Wish, create};
use super::{Context, delete, kill, start};
use crate::container::ContainerId;
use crate::error::{Error, Result};
use crate::proxy::Proxy;
use crate::sys::clock::Deadline;
use crate::sys::process::Process;
use crate::sys::signals::SignalQueue;

/// create, start, wait for the end, delete; exits with the proxy's code
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "run", help_triggers("-h", "--help"))]
pub struct Run {
    /// directory with config.json (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// leave it running
    #[argh(switch, short = 'd')]
    pub detach: bool,
    /// file that gets the proxy's pid
    #[argh(option, arg_name = "file")]
    pub pid_file: Option<PathBuf>,
    /// socket that gets the master of the pseudo-terminal
    #[argh(option, arg_name = "socket")]
    pub console_socket: Option<PathBuf>,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// Signals that stop the firmware.
const STOP: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

pub fn run(context: &Context, args: &Run) -> Result<ExitCode> {
    let id = ContainerId::new(&args.id)?;
    // From before the create on: a signal must not leave half a container.
    let queue = if args.detach {
        None
    } else {
        let signals = STOP.map(Signal::as_raw);
        Some(SignalQueue::take(&signals).map_err(|e| Error::io("watch", "signals", e))?)
    };
    let mut proxy = create(
        context,
        Wish {
            id: &args.id,
            bundle: &args.bundle,
            pid_file: args.pid_file.as_deref(),
            console_socket: args.console_socket.as_deref(),
        },
    )?;
    if let Err(error) = start::start(context, &id) {
        if let Err(also) = delete_ours(context, &id, &proxy) {
            log::warn!("container {id}: not deleted after the failed start: {also}");
        }
        return Err(error);
    }
    let Some(queue) = queue else { return Ok(ExitCode::SUCCESS) };
    wait(context, &id, &proxy, &queue)?;
    let status = proxy.wait().map_err(|e| Error::io("wait for", "the proxy", e))?;
    delete_ours(context, &id, &proxy)?;
    // A proxy that was killed ends as the shell has it: 128 and the signal.
    let killed = || std::os::unix::process::ExitStatusExt::signal(&status).map(|s| s.saturating_add(128));
    let code = status.code().or_else(killed);
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Deletes the container, unless somebody else has deleted it and the id is another one's by now.
fn delete_ours(context: &Context, id: &ContainerId, proxy: &Proxy) -> Result<()> {
    match context.store.load(id, "delete") {
        Err(Error::DoesNotExist | Error::WrongStatus { .. }) => Ok(()),
        Ok((_, record)) if record.proxy != proxy.process => Ok(()),
        _ => match delete::delete(context, id, true) {
            Err(Error::DoesNotExist) => Ok(()),
            other => other,
        },
    }
}

/// Waits for the proxy's end, and has it stop the processor when we are asked to end.
fn wait(context: &Context, id: &ContainerId, proxy: &Proxy, queue: &SignalQueue) -> Result<()> {
    let pid = proxy.process.pid;
    let failed = |e| Error::io("wait for", format!("/proc/{pid}"), e);
    let Some(process) = Process::open(pid, proxy.process.start_time).map_err(failed)? else { return Ok(()) };
    loop {
        while let Some(signal) = queue.next() {
            let (container, record) = context.store.load(id, "kill")?;
            let signal = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
            let deadline = Deadline::after(record.stop_timeout());
            let stopped = kill::stop(&container, &record, &process, signal, deadline);
            if let Err(error) = stopped {
                // It still runs, so we still wait for it.
                log::error!("{}", error.of_container(id.as_str()).in_one_line());
            }
        }
        let mut fds = [rustix::event::PollFd::new(queue, PollFlags::IN), process.poll_fd()];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(failed(e)),
        }
        if !fds[1].revents().is_empty() {
            return Ok(());
        }
    }
}
