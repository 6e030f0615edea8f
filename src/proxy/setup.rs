//! Making a process what a proxy is, before anything can reach it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::answer::Setup;
use super::args::ProxyArgs;
use crate::bundle::Network;
use crate::container::is_recorded;
use crate::sys::files;
use crate::sys::signals::{self, SignalQueue};

/// Signals that end the proxy in phase 1 and stop the processor in phase 2.
pub(super) const STOP_SIGNALS: [i32; 5] =
    [Signal::TERM.as_raw(), Signal::INT.as_raw(), Signal::HUP.as_raw(), Signal::QUIT.as_raw(), signals::HALT];

/// What create writes to our standard input when the record is in place.
pub const COMMIT: &[u8] = b"commit\n";

/// Makes this process what a proxy is, before anything can reach it.
pub(super) fn set_up(args: &ProxyArgs) -> Result<(SignalQueue, OwnedFd), (Setup, Errno)> {
    let process = |errno| (Setup::Process, errno);
    signals::block_all().map_err(process)?;
    signals::close_from(3).map_err(process)?;
    let wanted = [STOP_SIGNALS.as_slice(), &[Signal::USR1.as_raw()]].concat();
    let queue = SignalQueue::take(&wanted).map_err(process)?;
    rustix::process::setsid().map_err(process)?;
    if args.terminal {
        // So that Ctrl-C in an attached terminal reaches us as SIGINT.
        rustix::process::ioctl_tiocsctty(std::io::stdout()).map_err(|errno| (Setup::Terminal, errno))?;
    }
    enter_network(&args.network()).map_err(|errno| (Setup::Network, errno))?;
    Ok((queue, files::open_directory(&args.container).map_err(process)?))
}

fn enter_network(network: &Network) -> rustix::io::Result<()> {
    let entered = match network {
        Network::Host => return Ok(()),
        Network::Fresh => signals::leave_network(),
        Network::Join(path) => {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
                .and_then(|namespace| {
                    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                })
        }
    };
    match entered {
        // Without privilege an engine cannot have put anything into our network either.
        Err(Errno::PERM | Errno::ACCESS) => Ok(()),
        other => other,
    }
}

/// Waits until create has written its record. One that died before leaves us without a container: then we end as well.
/// The record is what counts, so that a create killed right behind it leaves a whole container.
pub(super) fn is_committed(container: &OwnedFd) -> bool {
    let mut word = [0; COMMIT.len()];
    let stdin = std::io::stdin();
    let mut length = 0;
    while let Some(rest) = word.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&stdin, rest) {
            Ok(0) | Err(_) => break,
            Ok(read) => length = length.saturating_add(read),
        }
    }
    let pid = rustix::process::getpid().as_raw_pid();
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    (word == COMMIT || is_recorded(container, pid)) && null.and_then(rustix::stdio::dup2_stdin).is_ok()
}
