//! The firmware directory: there, writable, and where the kernel looks.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;

use super::command;
use super::report::{Level, Report};
use crate::error::{Error, Result, quoted};
use crate::firmware::FirmwareDirectory;
use crate::host::Host;
use crate::sys::own::{self, Distrust, Why};
use crate::sys::{errno, files};

const ABOUT: &str = "firmware";

/// Where firmware goes while the root file system is read-only: on a tmpfs, so that it ends with the boot, as the setting
/// of the parameter does.
const FOR_THIS_BOOT: &str = "/run/firmware";

pub fn check(report: &mut Report, host: &Host, root: Option<&Path>) {
    let parameter = host.firmware_class_path();
    if let Some(named) = FirmwareDirectory::path_with_newline(host) {
        let level = if drops_newlines(host) { Level::Note } else { Level::Error };
        let shown = parameter.display();
        report
            .say(
                level,
                ABOUT,
                format_args!(
                    "{shown} ends with a newline, which Linux before 6.4 takes for a part of the path"
                ),
            )
            .fix(format_args!("printf %s {} > {}", quoted(Path::new(&named)), quoted(&parameter)));
    }
    if sees_other_files_than_init(host) {
        report.say(
            Level::Warning,
            ABOUT,
            format_args!(
                "the kernel looks for firmware in init's mount namespace, and this process has one of its own"
            ),
        );
    }
    let directory = match FirmwareDirectory::of(host) {
        Ok(directory) => directory,
        Err(error) => {
            report.say(Level::Error, ABOUT, format_args!("{}", error.in_one_line()));
            return;
        }
    };
    let (path, argument) = (directory.path().display(), quoted(directory.path()));
    let bent = files::open_directory(directory.path()).map(|opened| own::check_way(opened, directory.path()));
    if let Ok(Err(Distrust { why: Why::Way(mode), .. })) = bent {
        report
            .say(
                Level::Warning,
                ABOUT,
                format_args!("{path}: other users can change what is stored there (mode {mode:04o})"),
            )
            .fix(format_args!("chmod +t {argument}"));
    }
    let Err(refused) = ready(directory.path()) else {
        report.say(Level::Ok, ABOUT, format_args!("{path} can be written"));
        return;
    };
    let instead = if refused == Errno::ROFS { can_move(host) } else { Ok(()) };
    let why = match &instead {
        Ok(()) => String::new(),
        Err(why) => format!("; {FOR_THIS_BOOT} cannot stand in for it: {why}"),
    };
    let words = errno::in_words(refused);
    report.say(
        Level::Error,
        ABOUT,
        format_args!("{path}: no firmware can be stored there for the kernel: {words}{why}"),
    );
    match refused {
        Errno::ROFS if instead.is_ok() => report.fix(format_args!("{}", command(host, root, "doctor --fix"))),
        Errno::ROFS => report.fix(format_args!(
            "firmware_class.path=DIRECTORY on the kernel's command line, with one that can be written"
        )),
        Errno::NOENT => report.fix(format_args!("mkdir -p {argument}")),
        Errno::NOTDIR => report.fix(format_args!("mv {argument} {argument}.away && mkdir {argument}")),
        Errno::ACCESS | Errno::PERM => {
            report.fix(format_args!("run as root, or as a user that may write there"))
        }
        _ => {}
    }
}

/// Mends the parameter, where that is safe; says what was done, and what could not be.
pub fn mend(report: &mut Report, host: &Host) {
    let parameter = host.firmware_class_path();
    let shown = parameter.display();
    if let Some(path) = FirmwareDirectory::path_with_newline(host) {
        said(report, set(host, &path), format_args!("took the newline from {shown}, which names {path} now"));
    }
    if FirmwareDirectory::of(host).is_ok_and(|directory| ready(directory.path()) == Err(Errno::ROFS))
        && can_move(host).is_ok()
    {
        let done = make_for_this_boot(host).and_then(|()| set(host, FOR_THIS_BOOT));
        said(
            report,
            done,
            format_args!(
                "wrote {FOR_THIS_BOOT} to {shown}: until the next boot the kernel looks there first, and then where it did; for \
             good: firmware_class.path=/var/lib/firmware on its command line, or another directory that can be written"
            ),
        );
    }
}

fn said(report: &mut Report, result: Result<()>, done: std::fmt::Arguments<'_>) {
    match result {
        Ok(()) => report.say(Level::Fixed, ABOUT, done),
        Err(error) => report.say(Level::Error, ABOUT, format_args!("{}", error.in_one_line())),
    };
}

/// Without a newline, which would become a part of the path.
fn set(host: &Host, path: &str) -> Result<()> {
    use std::io::Write;
    let parameter = host.firmware_class_path();
    let written = std::fs::OpenOptions::new()
        .write(true)
        .open(&parameter)
        .and_then(|mut file| file.write_all(path.as_bytes()));
    written.map_err(|e| Error::io("write", &parameter, e))
}

fn make_for_this_boot(host: &Host) -> Result<()> {
    let path = host.path(FOR_THIS_BOOT);
    let mode = Mode::from_raw_mode(0o755);
    let made = match rustix::fs::mkdir(&path, mode) {
        Err(Errno::EXIST) => Ok(()),
        // Whatever the umask: people look at firmware as they like.
        other => other.and_then(|()| rustix::fs::chmod(&path, mode)),
    };
    made.map_err(|e| Error::io("make", &path, e))
}

/// Whether firmware can be stored in `path`; `ENOENT` only where it can be made.
fn ready(path: &Path) -> std::result::Result<(), Errno> {
    match files::may_write_in(path) {
        Err(Errno::NOENT) => {
            let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
            files::may_write_in(existing).and(Err(Errno::NOENT))
        }
        other => other,
    }
}

/// Whether the kernel can be told to look in [`FOR_THIS_BOOT`] first without taking any firmware from any driver; or why
/// not. What is not there it looks for where it did before (drivers/base/firmware_loader/main.c, `fw_path`).
fn can_move(host: &Host) -> std::result::Result<(), String> {
    let parameter = host.firmware_class_path();
    match std::fs::read_to_string(&parameter) {
        Ok(path) if path.trim_end_matches('\n').is_empty() => {}
        Ok(_) => return Err(format!("{} names a directory", parameter.display())),
        Err(error) => return Err(format!("{}: {}", parameter.display(), errno::io_in_words(&error))),
    }
    if sees_other_files_than_init(host) {
        return Err("the kernel would look for it in another mount namespace".to_owned());
    }
    let path = host.path(FOR_THIS_BOOT);
    let Ok(there) = std::fs::symlink_metadata(&path) else {
        let above = path.parent().unwrap_or(&path);
        return ready(above).map_err(|e| format!("{}: {}", above.display(), errno::in_words(e)));
    };
    // What lay there would come before what drivers have got so far, and what others put there too.
    let empty = files::entries(&path).is_ok_and(|entries| entries.is_empty());
    let mine = there.uid() == rustix::process::geteuid().as_raw() && there.mode() & 0o022 == 0;
    match there.is_dir() && empty && mine {
        true => Ok(()),
        false => Err(format!("{} is there, and not empty or not the caller's alone", path.display())),
    }
}

/// Since Linux 6.4 the kernel takes no newline for a part of the path.
fn drops_newlines(host: &Host) -> bool {
    let release = std::fs::read_to_string(host.path("proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(4))
}

/// The kernel reads firmware as init sees the file systems (`kernel_read_file_from_path_initns`). Only root can tell.
fn sees_other_files_than_init(host: &Host) -> bool {
    let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    host.root() == Path::new("/") && of("1").is_some_and(|init| Some(init) != of("self"))
}
