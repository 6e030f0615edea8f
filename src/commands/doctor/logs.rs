//! What the kernel tells beside sysfs: its log, the firmware's trace, who holds which lock.

use std::io::ErrorKind;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::report::{Level, Report};
use crate::error::quoted;
use crate::host::Host;
use crate::sys::errno;

pub fn check(report: &mut Report, host: &Host) {
    log(report, host);
    traces(report, host);
    locks(report);
}

fn log(report: &mut Report, host: &Host) {
    let (path, flags) = (host.kmsg(), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC);
    let shown = path.display();
    let Err(errno) = rustix::fs::open(&path, flags, Mode::empty()) else {
        report.say(Level::Ok, "log", format_args!("{shown} can be read"));
        return;
    };
    let why = errno::in_words(errno);
    report.say(
        Level::Warning,
        "log",
        format_args!("{shown}: {why}: crashes are seen a second late, and errors do not quote the kernel"),
    );
    match errno {
        Errno::NOENT => report.fix(format_args!("mknod -m 600 {} c 1 11", quoted(&path))),
        _ => report.fix(format_args!("run as root, or as a user that may: sysctl kernel.dmesg_restrict=0")),
    }
}

/// debugfs shows what a firmware writes to its trace buffers (drivers/remoteproc/remoteproc_debugfs.c).
fn traces(report: &mut Report, host: &Host) {
    const ABOUT: &str = "traces";
    let path = host.debugfs();
    let shown = path.display();
    match std::fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            report.say(Level::Ok, ABOUT, format_args!("debugfs is mounted on {shown}"));
        }
        Ok(false) => report
            .say(
                Level::Warning,
                ABOUT,
                format_args!("debugfs is not mounted: traces of firmware cannot be read"),
            )
            .fix(format_args!("mount -t debugfs debugfs {}", quoted(&path))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report.say(
                Level::Warning,
                ABOUT,
                format_args!("{shown} is missing: the kernel needs CONFIG_DEBUG_FS for traces of firmware"),
            );
        }
        Err(error) => {
            let why = errno::io_in_words(&error);
            report.say(Level::Note, ABOUT, format_args!("{shown} cannot be looked at: {why}"));
        }
    }
}

/// Always those of the machine that this runs on.
fn locks(report: &mut Report) {
    match std::fs::read("/proc/locks") {
        Ok(_) => report.say(Level::Ok, "locks", format_args!("/proc/locks tells who has a processor")),
        Err(error) => {
            let why = errno::io_in_words(&error);
            report.say(
                Level::Warning,
                "locks",
                format_args!("/proc/locks: {why}: who has a processor cannot be told"),
            )
        }
    };
}
