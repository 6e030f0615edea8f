//! Whether the caller may control the processors.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::list;
use super::report::{Level, Report};
use crate::commands::processors::Seen;
use crate::sys::errno;

const ABOUT: &str = "rights";

/// Nothing where there is no processor.
pub fn check(report: &mut Report, seen: &[Seen<'_>]) {
    let mut controlled = String::new();
    let mut refusals = Vec::new();
    for seen in seen {
        match refused(&seen.processor.path) {
            None => list(&mut controlled, seen.name()),
            Some(refusal) => refusals.push((seen, refusal)),
        }
    }
    // One that can be controlled is enough for a container.
    let level = if controlled.is_empty() { Level::Error } else { Level::Warning };
    for (seen, (attribute, errno)) in refusals {
        let path = seen.processor.path.join(attribute);
        let (name, shown) = (seen.name(), path.display());
        // Whoever asks: the kernel refuses root as well what no mode bit allows (fs/kernfs/file.c).
        if errno == Errno::ACCESS && is_read_only(&path) {
            report.say(level, ABOUT, format_args!(
                "{name}: {shown} is read-only: its driver keeps user space from controlling it (sysfs_read_only, since Linux 5.18)"
            ));
            continue;
        }
        let why = errno::in_words(errno);
        report.say(level, ABOUT, format_args!("{name}: {shown} cannot be written: {why}")).fix(match errno {
            Errno::ROFS => format_args!("mount -o remount,rw /sys"),
            _ => format_args!("run as root, or as a user that may write there"),
        });
    }
    if !controlled.is_empty() {
        report.say(Level::Ok, ABOUT, format_args!("{controlled} can be controlled"));
    }
}

/// The first attribute that a proxy could not write, and the kernel's answer. Opening one changes nothing.
fn refused(processor: &Path) -> Option<(&'static str, Errno)> {
    ["state", "firmware", "recovery"].into_iter().find_map(|attribute| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::open(processor.join(attribute), flags, Mode::empty()) {
            // In sysfs since Linux 5.10.
            Err(Errno::NOENT) if attribute == "recovery" => None,
            Err(errno) => Some((attribute, errno)),
            Ok(_) => None,
        }
    })
}

fn is_read_only(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().readonly())
}
