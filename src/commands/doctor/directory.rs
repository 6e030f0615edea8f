//! The state directory: whose it is, and whether containers can be recorded in it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::report::{Level, Report};
use crate::container::Store;
use crate::error::{Error, Result, quoted};
use crate::sys::{errno, files};

const ABOUT: &str = "state";

pub fn check(report: &mut Report, store: &Result<Store>) {
    let (store, path) = match store {
        Ok(store) => (store, store.root()),
        Err(error) => {
            let uid = rustix::process::geteuid().as_raw();
            report
                .say(Level::Error, ABOUT, format_args!("{error}"))
                .fix(format_args!("export XDG_RUNTIME_DIR=/run/user/{uid}"));
            return;
        }
    };
    // What others could change is refused before anything is made there.
    let refused = match store.root_if_there() {
        Err(error @ Error::State { .. }) => Some(error),
        _ => None,
    };
    if let Some(error) = refused {
        report
            .say(Level::Error, ABOUT, format_args!("{error}"))
            .fix(format_args!("{}", error.hint().unwrap_or_default()));
        return;
    }
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

/// Says so, if others than its owner can read what containers are.
fn open_to_others(report: &mut Report, path: &Path) -> bool {
    let Ok(directory) = std::fs::metadata(path) else { return false };
    let (mode, shown, argument) = (directory.mode() & 0o777, path.display(), quoted(path));
    let open = mode & 0o077 != 0;
    if open {
        report
            .say(Level::Warning, ABOUT, format_args!("{shown} is open to other users (mode {mode:04o})"))
            .fix(format_args!("chmod 700 {argument}"));
    }
    open
}
