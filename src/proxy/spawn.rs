//! Starting a proxy, so that it is there before its container is, and gone if the container does not come to be.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::answer::{Answer, Answers, Heard, Setup};
use super::args::ProxyArgs;
use super::setup::COMMIT;
use rustix::io::Errno;

use crate::container::{Container, ProxyProcess, START_FIFO};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::sys::clock::Deadline;
use crate::sys::errno;
use crate::sys::process::{self, Process};

/// How long a proxy has to get ready: it only sets itself up.
const READY: Duration = Duration::from_secs(10);

/// A proxy that waits for its container to be recorded. Dropped before that, it is ended.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Which process it is.
    pub process: ProxyProcess,
    committed: bool,
}

/// Starts the proxy of a container and waits until it is ready for signals. With a `terminal`, that is its standard
/// output and error; else they are the caller's.
///
/// # Errors
/// When it cannot be started, or cannot set itself up; then it is gone again.
pub fn spawn(
    host: &Host,
    container: &Container,
    args: &ProxyArgs,
    terminal: Option<OwnedFd>,
) -> Result<Proxy> {
    let fifo = container.path.join(START_FIFO);
    let answers = Answers::listen(container, START_FIFO).map_err(|e| Error::io("open", &fifo, e))?;
    // It was made just now, under the container's lock.
    let answers = answers.ok_or_else(|| Error::io("lock", &fifo, Errno::AGAIN))?;
    let mut command = Command::new("/proc/self/exe");
    // Not the bundle's directory, which must be free to be unmounted; and nothing of the caller's environment.
    command.arg0(crate::PROGRAM).args(args.to_args()).current_dir("/").env_clear().stdin(Stdio::piped());
    if let Some(terminal) = terminal {
        let again = terminal.try_clone().map_err(|e| Error::io("open", "the pseudo-terminal", e))?;
        command.stdout(terminal).stderr(again);
    }
    let child = command.spawn().map_err(|e| Error::io("start a proxy from", "/proc/self/exe", e))?;
    let mut proxy = Proxy {
        process: ProxyProcess { pid: pid_of(&child), start_time: 0, boot_id: String::new() },
        child,
        committed: false,
    };
    // Our child cannot be reaped by anyone else, so this is the process that was started.
    let failed = |e| Error::io("read", format!("/proc/{}/stat", proxy.process.pid), e);
    let seen = process::observe(proxy.process.pid).map_err(failed)?;
    proxy.process.start_time = seen.map(|seen| seen.start_time).unwrap_or_default();
    proxy.process.boot_id = host.boot_id()?;
    let unready = |why: String| Error::invalid(format!("the proxy did not get ready: {why}"));
    let handle = Process::open(proxy.process.pid, proxy.process.start_time)
        .map_err(|e| Error::io("open", format!("/proc/{}", proxy.process.pid), e))?;
    let heard = match &handle {
        Some(handle) => {
            answers.wait(handle, Deadline::after(READY)).map_err(|e| Error::io("wait on", &fifo, e))?
        }
        // It has ended already, and has said why.
        None => answers.said().map_or(Heard::Ended, Heard::Answer),
    };
    match heard {
        Heard::Answer(Answer::Ready) => Ok(proxy),
        Heard::Answer(Answer::Unready(setup, e)) => Err(unready(match setup {
            Setup::Process => format!("its signals and session: {}", errno::in_words(e)),
            Setup::Terminal => format!("its terminal: {}", errno::in_words(e)),
            Setup::Network => format!("its network namespace {}: {}", args.network, errno::in_words(e)),
        })),
        Heard::Answer(_) | Heard::Ended => Err(unready("it ended".to_owned())),
        Heard::Nothing => Err(unready(format!("nothing was heard of it in {} s", READY.as_secs()))),
    }
}

fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or_default()
}

impl Proxy {
    /// Tells it that its container is recorded: from here on it stays. One that was killed since leaves a container that is
    /// whole, and stopped.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn commit(&mut self) -> Result<()> {
        let mut stdin = self.child.stdin.take();
        let told = stdin.as_mut().map(|stdin| stdin.write_all(COMMIT)).transpose();
        self.committed = true;
        match told {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                self.committed = false;
                Err(Error::io("tell", "the proxy", e))
            }
            _ => Ok(()),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it is not our child.
    pub fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !self.committed {
            // It has no part in anything yet; both fail only when it has ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_was_killed_after_its_record_was_written_leaves_a_container() {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        child.wait().unwrap();
        child.stdin = stdin;
        let process = ProxyProcess { pid: pid_of(&child), start_time: 0, boot_id: String::new() };
        let mut proxy = Proxy { child, process, committed: false };
        proxy.commit().unwrap();
        assert!(proxy.committed);
    }
}
