//! The state directory: whose it is, and whether containers can be recorded in it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::quoted;
use super::report::{Level, Report};
use crate::container::Store;
use crate::error::Result;
use crate::sys::{errno, files};

const ABOUT: &str = "state";

pub fn check(report: &mut Report, store: &Result<Store>) {
    let path = match store {
        Ok(store) => store.root(),
        Err(error) => {
            let uid = rustix::process::geteuid().as_raw();
            report
                .say(Level::Error, ABOUT, format_args!("{error}"))
                .fix(format_args!("export XDG_RUNTIME_DIR=/run/user/{uid}"));
            return;
        }
    };
    // create makes it where it is missing.
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    if let Err(errno) = files::may_write_in(existing) {
        let (existing, why) = (existing.display(), errno::in_words(errno));
        report
            .say(Level::Error, ABOUT, format_args!("{existing} cannot be written: {why}"))
            .fix(format_args!("make it writable, or name another one with --root"));
    } else if existing != path || !open_to_others(report, path) {
        report.say(Level::Ok, ABOUT, format_args!("{} can be written", path.display()));
    }
}

/// Says so, if others than its owner, or another owner than the caller, can change what containers are.
fn open_to_others(report: &mut Report, path: &Path) -> bool {
    let Ok(directory) = std::fs::metadata(path) else { return false };
    let (owner, mode) = (directory.uid(), directory.mode() & 0o777);
    let (me, shown, argument) = (rustix::process::geteuid().as_raw(), path.display(), quoted(path));
    if owner != me {
        report
            .say(
                Level::Warning,
                ABOUT,
                format_args!("{shown} belongs to user {owner}, who can change containers"),
            )
            .fix(format_args!("chown {me} {argument}"));
    } else if mode & 0o077 != 0 {
        report
            .say(Level::Warning, ABOUT, format_args!("{shown} is open to other users (mode {mode:04o})"))
            .fix(format_args!("chmod 700 {argument}"));
    } else {
        return false;
    }
    true
}
