//! Stored firmware that belongs to no container.

use std::path::Path;
use std::time::Duration;

use super::command;
use super::containers::{self, Known, owner_of_firmware};
use super::report::{Level, Report};
use crate::container::Store;
use crate::error::Error;
use crate::firmware::{Boot, FirmwareDirectory, PART, unneeded};
use crate::host::Host;
use crate::proxy;
use crate::sys::files;

const ABOUT: &str = "leftovers";

/// How old a file is before it belongs to nobody: the create that stored it may be at work, in a state directory that is
/// not known yet.
const AT_WORK: Duration = Duration::from_secs(60);

pub fn check(report: &mut Report, host: &Host, root: Option<&Path>, containers: &[Known]) {
    let directory = match FirmwareDirectory::of(host) {
        Ok(directory) => directory,
        Err(error) => {
            report.say(Level::Note, ABOUT, format_args!("{}", error.in_one_line()));
            return;
        }
    };
    let path = directory.path().display();
    let Some(Left { stale, orphans }) = left(host, &directory, containers) else {
        report.say(
            Level::Note,
            ABOUT,
            format_args!(
                "what in {path} belongs to nobody cannot be told: the boot id or a processor cannot be read"
            ),
        );
        return;
    };
    if stale.is_empty() && orphans.is_empty() {
        report.say(Level::Ok, ABOUT, format_args!("{path} has no firmware of ours without a container"));
    }
    for (which, files) in [
        ("of earlier boots, which the next create removes", stale),
        ("of this boot, which no container, proxy or processor names", orphans),
    ] {
        if !files.is_empty() {
            let (files, doctor) = (files.join(", "), command(host, root, "doctor --fix"));
            report
                .say(Level::Warning, ABOUT, format_args!("{path} has files {which}: {files}"))
                .fix(format_args!("{doctor}"));
        }
    }
}

/// Removes what belongs to nobody.
pub fn mend(report: &mut Report, host: &Host, own: Option<&Store>) {
    let Ok(directory) = FirmwareDirectory::of(host) else { return };
    let containers = containers::all(host, own);
    let Some(Left { stale, orphans }) = left(host, &directory, &containers) else { return };
    for name in stale.iter().chain(&orphans) {
        let path = directory.path().join(name);
        match files::remove_path_if_there(&path) {
            Ok(()) => report.say(Level::Fixed, ABOUT, format_args!("removed {}", path.display())),
            Err(e) => {
                let error = Error::io("remove", &path, e).in_one_line();
                report.say(Level::Warning, ABOUT, format_args!("{error}"))
            }
        };
    }
}

/// Names in the firmware directory.
struct Left {
    stale: Vec<String>,
    orphans: Vec<String>,
}

fn left(host: &Host, directory: &FirmwareDirectory, containers: &[Known]) -> Option<Left> {
    let stale = unneeded(host, directory, Boot::Another)?;
    let mut orphans = unneeded(host, directory, Boot::This)?;
    orphans.retain(|name| {
        let whole = name.strip_suffix(PART).unwrap_or(name);
        owner_of_firmware(containers, whole).is_none()
            && proxy::proxy_with(whole).is_none()
            && is_settled(&directory.path().join(name))
    });
    Some(Left { stale, orphans })
}

/// By a clock that may have been set meanwhile: a time to come says nothing.
fn is_settled(path: &Path) -> bool {
    let changed = std::fs::symlink_metadata(path).and_then(|file| file.modified()).ok();
    changed.is_some_and(|changed| changed.elapsed().is_ok_and(|age| age >= AT_WORK))
}
