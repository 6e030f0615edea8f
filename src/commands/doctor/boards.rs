//! The board's profile, and whether all that are there can be read.

use super::list;
use super::report::{Level, Report};
use crate::board::{self, Board, Origin};
use crate::commands::processors::Seen;
use crate::error::{Result, quoted};
use crate::host::Host;

const ABOUT: &str = "board";

pub fn check(report: &mut Report, host: &Host, board: &Result<Option<Board>>, seen: &[Seen<'_>]) {
    broken(report, host);
    match board {
        Ok(Some(board)) => {
            let (profile, origin) = (&board.profile, &board.origin);
            let (name, description) = (&profile.name, &profile.description);
            report.say(Level::Ok, ABOUT, format_args!("profile {name} ({description}), {origin}"));
            if !seen.is_empty() {
                differences(report, board, seen);
            }
        }
        Ok(None) => {
            let mut compatible = String::new();
            board::compatible(host).iter().for_each(|name| list(&mut compatible, name));
            let known = match compatible.as_str() {
                "" => "there is no device tree to find one by",
                names => names,
            };
            report.say(Level::Note, ABOUT, format_args!(
                "no profile ({known}): processors go by the kernel's names, and firmware is not compared with them"
            ));
        }
        Err(error) => {
            // What is wrong with a file may have been said.
            if !report.has_said(&error.to_string()) {
                report.say(Level::Error, ABOUT, format_args!("{error}"));
            }
        }
    }
}

/// The files that are no profiles, this board's or another's.
fn broken(report: &mut Report, host: &Host) {
    let candidates = match board::candidates(host) {
        Ok(candidates) => candidates,
        Err(error) => {
            report.say(Level::Error, ABOUT, format_args!("{error}"));
            return;
        }
    };
    for candidate in candidates {
        if let (Origin::File(path), Err(error)) = (&candidate.origin, candidate.read()) {
            let path = quoted(path);
            report
                .say(Level::Error, ABOUT, format_args!("{error}"))
                .fix(format_args!("mv {path} {path}.broken"));
        }
    }
}

/// What only the kernel or only the profile knows, and what one must know.
fn differences(report: &mut Report, board: &Board, seen: &[Seen<'_>]) {
    let (mut unknown, mut missing) = (String::new(), String::new());
    for seen in seen.iter().filter(|seen| seen.profile.is_none()) {
        list(&mut unknown, seen.name());
    }
    for profile in &board.profile.processors {
        if seen.iter().all(|seen| seen.profile != Some(profile)) {
            list(&mut missing, profile.alias());
            continue;
        }
        for hint in &profile.hints {
            report.say(Level::Note, ABOUT, format_args!("{}: {hint}", profile.alias()));
        }
    }
    if !unknown.is_empty() {
        report.say(
            Level::Warning,
            ABOUT,
            format_args!("the profile does not know {unknown}: firmware is not compared with it"),
        );
    }
    if !missing.is_empty() {
        report.say(Level::Note, ABOUT, format_args!(
            "the kernel does not show {missing}: not enabled in the device tree, or without a driver for now"
        ));
    }
}
