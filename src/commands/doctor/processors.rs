//! What processors do that no container of ours has them do.

use super::containers::{Known, owner_of_firmware};
use super::list;
use super::report::{Level, Report};
use crate::commands::processors::Seen;
use crate::error::quoted;
use crate::proxy::Owner;
use crate::remoteproc::ProcessorState;

const ABOUT: &str = "processor";

pub fn check(report: &mut Report, seen: &[Seen<'_>], containers: &[Known]) {
    let (mut without, mut disabled) = (String::new(), String::new());
    for seen in seen {
        occupied(report, seen, containers);
        // In sysfs since Linux 5.10.
        match std::fs::read_to_string(seen.processor.path.join("recovery")) {
            Ok(word) if word.trim_end() == "disabled" => list(&mut disabled, seen.name()),
            Ok(_) => {}
            Err(_) => list(&mut without, seen.name()),
        }
    }
    for (names, text) in [
        (disabled, "recovery is disabled: a crash ends the container"),
        (without, "no recovery in sysfs: what crashed stays so until the next boot"),
    ] {
        if !names.is_empty() {
            report.say(Level::Note, ABOUT, format_args!("{names}: {text}"));
        }
    }
}

fn occupied(report: &mut Report, seen: &Seen<'_>, containers: &[Known]) {
    let name = seen.name();
    match &seen.owner {
        Some((_, Owner::Container { .. })) => return,
        Some((pid, Owner::Other(process))) => {
            report
                .say(
                    Level::Warning,
                    ABOUT,
                    format_args!("{name}: owned by process {process} (pid {pid}), which holds its lock"),
                )
                .fix(format_args!("kill {pid}"));
            return;
        }
        None => {}
    }
    let path = quoted(&seen.processor.path);
    let Some(state) = seen.state else {
        report.say(Level::Warning, ABOUT, format_args!("{name}: {path}/state cannot be read"));
        return;
    };
    let firmware = seen.firmware.as_deref().unwrap_or_default();
    // Said of the container.
    if state == ProcessorState::Offline || owner_of_firmware(containers, firmware).is_some() {
        return;
    }
    // The kernel knows no other way back, and stops only what it has attached to.
    let before = match state {
        ProcessorState::Crashed => format!("echo recover > {path}/recovery && "),
        ProcessorState::Detached => format!("echo start > {path}/state && "),
        _ => String::new(),
    };
    report
        .say(
            Level::Warning,
            ABOUT,
            format_args!("{name}: {state} with firmware {firmware:?}, which no container has started"),
        )
        .fix(format_args!("{before}echo stop > {path}/state"));
}
