//! A processor that the kernel stops when its owner ends, also by SIGKILL: `/dev/remoteprocN`, where the kernel has it
//! (CONFIG_REMOTEPROC_CDEV, drivers/remoteproc/remoteproc_cdev.c).
//!
//! The kernel keeps one switch a processor, not one an open file: whoever else opens and closes the device while it is on
//! stops the processor as well. So it is on only while a firmware of ours runs.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::processor::Processor;
use crate::host::Host;
use crate::sys::signals;

/// The device, with the switch on. Dropped without [`ShutdownOnRelease::disarm`], it stops a running processor.
#[derive(Debug)]
pub struct ShutdownOnRelease(OwnedFd);

impl ShutdownOnRelease {
    /// Switches it on. `None` where the kernel has no such device, or the caller may not open it.
    pub fn arm(host: &Host, processor: &Processor) -> Option<Self> {
        // Not on a pipe or a terminal by that name.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = host.remoteproc_device(processor.kernel_name());
        let device = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        signals::set_shutdown_on_release(&device, true).ok()?;
        Some(Self(device))
    }

    /// Switches it off: whoever lets go of the device then leaves the processor as it is. Allocates nothing.
    pub fn disarm(&self) {
        // It fails only on a device that is gone, with its processor.
        let _ = signals::set_shutdown_on_release(&self.0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoteproc::Identity;

    #[test]
    fn what_is_no_remoteproc_device_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("dev")).unwrap();
        let host = Host::new(dir.path()).unwrap();
        let identity = Identity { name: "m4".into(), device: "/d".into() };
        let processor = Processor { identity, path: "/sys/class/remoteproc/remoteproc0".into() };
        assert!(ShutdownOnRelease::arm(&host, &processor).is_none());
        std::fs::write(dir.path().join("dev/remoteproc0"), "").unwrap();
        assert!(ShutdownOnRelease::arm(&host, &processor).is_none());
    }
}
