//! What a container is now: derived from its record and its proxy, never stored. So it is true after a crash, a kill of
//! the proxy, and a reboot.

use super::record::ProxyProcess;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::sys::process::{self, Process};

/// The four states of OCI (runtime.md, State), and what cannot be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// create is still at work.
    Creating,
    /// The proxy waits for start, or is starting the processor.
    Created,
    /// The processor runs the firmware.
    Running,
    /// The proxy has ended.
    Stopped,
}

impl Status {
    /// The word of the specification.
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }

    /// What the container of this proxy is.
    ///
    /// # Errors
    /// When the boot id or the process cannot be read.
    pub fn of(host: &Host, proxy: &ProxyProcess) -> Result<Self> {
        Self::in_boot(&host.boot_id()?, proxy)
    }

    /// The same, in a boot whose id is known.
    ///
    /// # Errors
    /// When the process cannot be read.
    pub fn in_boot(boot_id: &str, proxy: &ProxyProcess) -> Result<Self> {
        // Start times begin anew with each boot.
        if boot_id != proxy.boot_id {
            return Ok(Self::Stopped);
        }
        let seen = process::observe(proxy.pid);
        Ok(match seen.map_err(|e| Error::io("read", format!("/proc/{}/stat", proxy.pid), e))? {
            Some(seen) if seen.start_time == proxy.start_time && seen.is_alive() => {
                match Phase::of(&seen.comm) {
                    Some(Phase::Running | Phase::Stopping) => Self::Running,
                    _ => Self::Created,
                }
            }
            _ => Self::Stopped,
        })
    }
}

/// What a proxy is at. It says so in its process name, which the kernel keeps beside pid and start time, shows in ps and
/// top, and forgets when the proxy ends (prctl(2), `PR_SET_NAME`, at most 15 bytes).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Waits for start.
    Created,
    /// Boots the processor.
    Starting,
    /// Watches the running processor.
    Running,
    /// Stops the processor.
    Stopping,
}

impl Phase {
    const NAMES: [(Self, &'static std::ffi::CStr); 4] = [
        (Self::Created, c"rproc:created"),
        (Self::Starting, c"rproc:starting"),
        (Self::Running, c"rproc:running"),
        (Self::Stopping, c"rproc:stopping"),
    ];

    /// The phase that a process name tells.
    pub fn of(comm: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| name.to_bytes() == comm.as_bytes()).map(|(phase, _)| *phase)
    }

    /// Makes this the name of the calling process's only thread. Allocates nothing.
    pub fn announce(self) {
        if let Some((_, name)) = Self::NAMES.iter().find(|(phase, _)| *phase == self) {
            // The kernel refuses only an unreadable pointer.
            let _ = rustix::thread::set_name(name);
        }
    }
}

impl ProxyProcess {
    /// The living proxy, held so that a signal cannot hit another process; `None` when it has ended.
    ///
    /// # Errors
    /// When the boot id cannot be read, or the kernel lacks pidfd_open(2) (Linux 5.3).
    pub fn open(&self, host: &Host) -> Result<Option<Process>> {
        if host.boot_id()? != self.boot_id {
            return Ok(None);
        }
        Process::open(self.pid, self.start_time)
            .map_err(|e| Error::io("open", format!("/proc/{}", self.pid), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(host: &Host) -> ProxyProcess {
        let pid = i32::try_from(std::process::id()).unwrap();
        let start_time = process::observe(pid).unwrap().unwrap().start_time;
        ProxyProcess { pid, start_time, boot_id: host.boot_id().unwrap() }
    }

    #[test]
    fn a_proxy_of_another_boot_or_start_time_has_ended() {
        let host = Host::new(std::path::Path::new("/")).unwrap();
        let proxy = me(&host);
        assert_eq!(Status::of(&host, &proxy).unwrap(), Status::Created);
        assert!(proxy.open(&host).unwrap().is_some());
        for stale in [
            ProxyProcess { start_time: proxy.start_time + 1, ..proxy.clone() },
            ProxyProcess { boot_id: "00000000-1111".into(), ..proxy.clone() },
            ProxyProcess { pid: i32::MAX, ..proxy.clone() },
        ] {
            assert_eq!(Status::of(&host, &stale).unwrap(), Status::Stopped);
            assert!(stale.open(&host).unwrap().is_none());
        }
    }

    #[test]
    fn phases_are_told_by_names_that_the_kernel_keeps_whole() {
        for (phase, name) in Phase::NAMES {
            assert!(name.to_bytes().len() <= 15);
            assert_eq!(Phase::of(name.to_str().unwrap()), Some(phase));
        }
        assert_eq!(Phase::of("remoteproc-runt"), None);
    }
}
