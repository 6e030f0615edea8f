//! What the safe libraries do not offer: the signal mask, signals as a descriptor, closing what was inherited, a
//! network namespace of one's own, the ioctl of a remoteproc device. The only module that may be `unsafe`.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, Result};

use super::files;

/// `SIGRTMIN+3` of the C libraries, which systemd takes as a request to halt; engines send it as a stop signal.
pub const HALT: i32 = 37;

/// Signals taken by reading a descriptor (signalfd(2)) instead of by handlers; they stay blocked for good.
#[derive(Debug)]
pub struct SignalQueue(OwnedFd);

impl SignalQueue {
    /// Blocks `signals` for this thread and opens the descriptor that yields them.
    pub fn take(signals: &[i32]) -> Result<Self> {
        let mut set = empty_set();
        for &signal in signals {
            // SAFETY: `set` is an initialised signal set; a number out of range gives EINVAL.
            check(unsafe { libc::sigaddset(&raw mut set, signal) })?;
        }
        block(&set)?;
        // SAFETY: `set` is initialised; -1 asks for a new descriptor.
        let fd =
            check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given this descriptor to us and to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next pending signal, if there is one. Allocates nothing.
    pub fn next(&self) -> Option<i32> {
        // signalfd_siginfo is 128 bytes and begins with the signal's number (signalfd(2)).
        let mut info = [0_u8; 128];
        match rustix::io::read(&self.0, &mut info) {
            Ok(128) => Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])),
            _ => None,
        }
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks every signal that can be blocked: a write to sysfs must not be cut short (the kernel takes an interruptible
/// lock, drivers/remoteproc/remoteproc_core.c).
pub fn block_all() -> Result<()> {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // Not sigfillset(3): musl's leaves out the signals 32 to 34, which would then end the process.
    // SAFETY: a signal set is an array of words, each bit a signal: all ones is a valid one.
    let set = unsafe {
        std::ptr::write_bytes(set.as_mut_ptr(), 0xff, 1);
        set.assume_init()
    };
    block(&set)
}

fn block(set: &libc::sigset_t) -> Result<()> {
    // SAFETY: `set` is initialised, and no old mask is asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(Errno::from_raw_os_error(error)),
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset initialises what it is given, and an all-zero set is a valid one besides.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// Closes every descriptor from `first` on. For a process that has just begun and owns none of them.
pub fn close_from(first: RawFd) -> Result<()> {
    let first = libc::c_uint::try_from(first).map_err(|_| Errno::INVAL)?;
    // SAFETY: plain numbers; the caller has opened nothing that it still uses above `first`.
    if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    // Before Linux 5.9 there is no close_range(2). The list is read whole first, so its own descriptor is in it as well.
    let open: Vec<RawFd> = files::entries("/proc/self/fd".as_ref())?
        .iter()
        .filter_map(|entry| entry.name.to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|&fd| libc::c_uint::try_from(fd).is_ok_and(|fd| fd >= first)) {
        // SAFETY: as above; a number that is closed already only gives EBADF.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Moves this thread, the only one of its process, into a network namespace of its own.
pub fn leave_network() -> Result<()> {
    // SAFETY: CLONE_NEWNET changes only which network devices later calls see.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Has the kernel stop a processor when its character device is closed for the last time, or not
/// (`RPROC_SET_SHUTDOWN_ON_RELEASE`, include/uapi/linux/remoteproc_cdev.h).
pub fn set_shutdown_on_release(device: impl AsFd, on: bool) -> Result<()> {
    // _IOW(0xB7, 1, __s32), which is the same number on all architectures that this program is built for.
    const REQUEST: u32 = 0x4004_b701;
    let value = i32::from(on);
    let fd = device.as_fd().as_raw_fd();
    // SAFETY: the request reads four bytes, which `value` has; a file that is no such device refuses it.
    check(unsafe { libc::ioctl(fd, REQUEST as _, &raw const value) }).map(drop)
}

fn check(result: libc::c_int) -> Result<libc::c_int> {
    match result {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        result => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_in_place_of_being_delivered() {
        let queue = SignalQueue::take(&[libc::SIGUSR2, HALT]).unwrap();
        assert_eq!(queue.next(), None);
        for signal in [libc::SIGUSR2, HALT] {
            // SAFETY: both are blocked in this thread.
            unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
            assert_eq!(queue.next(), Some(signal));
        }
    }

    #[test]
    fn a_signal_number_out_of_range_is_refused() {
        assert_eq!(SignalQueue::take(&[4711]).unwrap_err(), Errno::INVAL);
    }
}
