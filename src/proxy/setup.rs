//! Making a process what a proxy is, before anything can reach it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
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
    let told = hear(std::io::stdin());
    // Nothing is heard on it any more; one that cannot be replaced is in nobody's way.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let _ = null.and_then(rustix::stdio::dup2_stdin);
    told || is_recorded(container, rustix::process::getpid().as_raw_pid())
}

/// Reads from create until its end; whether that was the commit.
fn hear(create: impl AsFd) -> bool {
    let mut word = [0; COMMIT.len()];
    let mut length = 0;
    while let Some(rest) = word.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&create, rest) {
            Ok(0) => break,
            Ok(read) => length = length.saturating_add(read),
            Err(Errno::INTR) => {}
            Err(_) => {
                // What cannot be read still tells when create has closed it, and that it does behind its record.
                let _ = rustix::event::poll(&mut [PollFd::new(&create, PollFlags::empty())], None);
                break;
            }
        }
    }
    word == COMMIT
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_commit_is_heard_in_pieces_and_nothing_else_for_it() {
        for (pieces, committed) in [
            (&["commit\n"][..], true),
            (&["com", "mit\n"], true),
            (&["commit"], false),
            (&["comment"], false),
            (&[], false),
        ] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let create = std::thread::spawn(move || {
                for piece in pieces {
                    writer.write_all(piece.as_bytes()).unwrap();
                }
            });
            assert_eq!(hear(&reader), committed, "{pieces:?}");
            create.join().unwrap();
        }
    }

    #[test]
    fn a_create_that_cannot_be_read_is_waited_for() {
        // Of this end nothing can be read, and poll(2) tells when the other one goes.
        let (create, unreadable) = std::io::pipe().unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        let proxy = std::thread::spawn(move || {
            assert!(!hear(&unreadable));
            done.send(()).unwrap();
        });
        assert!(ended.recv_timeout(std::time::Duration::from_millis(50)).is_err(), "not waited for");
        drop(create);
        ended.recv().unwrap();
        proxy.join().unwrap();
    }
}
