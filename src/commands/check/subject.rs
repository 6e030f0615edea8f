//! What is to be checked, and for which processor.

use std::path::Path;

use super::Check;
use crate::annotations::{Annotations, FIRMWARE_CHECK};
use crate::board::{self, Board, BoardProfile, ProcessorProfile, Region, Window};
use crate::bundle::Bundle;
use crate::commands::Place;
use crate::error::{Error, Result};
use crate::firmware::{self, Examination, FirmwareImage, Span};
use crate::host::Host;
use crate::remoteproc::Processor;

/// A firmware that was examined.
pub struct Subject {
    pub image: FirmwareImage,
    /// The board, if any is known.
    pub board: Option<Board>,
    /// What is known of the processor.
    pub profile: Option<ProcessorProfile>,
    /// What this machine's device tree reserves for it, if the processor is one of this machine's.
    pub reserved: Option<Vec<Region>>,
    pub seen: Examination,
    /// What is to be said beside the findings.
    pub notes: Vec<String>,
}

impl Subject {
    pub fn of(place: &Place, args: &Check) -> Result<Self> {
        let board = board::find(&place.host, args.board.as_deref().or(place.board.as_deref()))?;
        let mut notes = Vec::new();
        let (image, name) = match args.subject.is_dir() {
            true => of_bundle(&args.subject, args, &mut notes)?,
            false => (FirmwareImage::open_file(&args.subject)?, args.processor.clone()),
        };
        let profile = profile(&place.host, board.as_ref(), name.as_deref())?;
        let reserved = match &profile {
            Some(profile) => reserved(&place.host, profile)?,
            None => None,
        };
        if board.is_none() {
            notes.push("a board is chosen by --board, and its processor by --processor".to_owned());
        }
        let seen = firmware::examine(&image, profile.as_ref(), reserved.as_deref());
        Ok(Self { image, board, profile, reserved, seen, notes })
    }

    pub fn fits(&self) -> bool {
        self.seen.errors().next().is_none()
    }

    /// The windows that are known, and how many bytes of each are used.
    pub fn windows(&self) -> impl Iterator<Item = (&Window, u64)> {
        let all = self.profile.iter().flat_map(|profile| profile.windows.iter().flatten());
        all.enumerate().map(|(index, window)| {
            let segments = self.seen.elf.iter().flat_map(|elf| &elf.segments);
            let placed = segments.zip(&self.seen.placed).filter(move |(_, placed)| **placed == Some(index));
            (window, firmware::used(window, placed.map(|(segment, _)| segment.memory)))
        })
    }

    /// The name of the window that takes the segment at `index`.
    pub fn window_of(&self, index: usize) -> Option<&str> {
        let placed = self.seen.placed.get(index).copied().flatten()?;
        self.profile.as_ref()?.windows.as_ref()?.get(placed).map(|window| window.name.as_str())
    }
}

/// The firmware of a bundle and its processor, as create finds them.
fn of_bundle(path: &Path, args: &Check, notes: &mut Vec<String>) -> Result<(FirmwareImage, Option<String>)> {
    let bundle = Bundle::load(path)?;
    let Some(deployment) = &bundle.deploys else {
        return Err(Error::invalid(format!(
            "{}: it is for the sandbox of a pod, which has no firmware",
            path.display()
        )));
    };
    if !Annotations::of(&bundle)?.firmware_check {
        notes.push(format!("create does not look at this: {FIRMWARE_CHECK} is off"));
    }
    let image = FirmwareImage::open(&bundle, deployment)?;
    let processor = args.processor.as_ref().unwrap_or(&deployment.processor);
    Ok((image, Some(processor.clone())))
}

/// What is known of the processor that is meant.
fn profile(host: &Host, board: Option<&Board>, name: Option<&str>) -> Result<Option<ProcessorProfile>> {
    let Some(board) = board else {
        // A machine that has processors has no other name for one.
        if let Some(name) = name.filter(|_| Processor::list(host).is_ok_and(|all| !all.is_empty())) {
            board::resolve(host, None, name)?;
        }
        return Ok(None);
    };
    let Some(name) = name else {
        return match &board.profile.processors[..] {
            [only] => Ok(Some(only.clone())),
            _ => Err(Error::Usage(format!("--processor is missing: {}", processors(&board.profile)))),
        };
    };
    let known = &board.profile.processors;
    let by_name: Vec<&ProcessorProfile> = match board.profile.processor(name) {
        Some(profile) => vec![profile],
        None => known
            .iter()
            .filter(|known| {
                known.device.as_deref() == Some(name) || known.names.iter().any(|own| own == name)
            })
            .collect(),
    };
    match by_name[..] {
        [one] => Ok(Some(one.clone())),
        // One of this machine's that the profile does not know, or that only its device tells.
        _ => match board::resolve(host, Some(board), name) {
            Ok(target) => Ok(target.profile),
            Err(_) => Err(Error::Processor {
                name: name.to_owned(),
                problem: match by_name.is_empty() {
                    true => format!("no processor of this name on board {}", board.profile.name),
                    false => format!("more than one processor of this name on board {}", board.profile.name),
                },
                hint: Some(processors(&board.profile)),
            }),
        },
    }
}

fn processors(board: &BoardProfile) -> String {
    let aliases: Vec<&str> = board.processors.iter().map(ProcessorProfile::alias).collect();
    format!("board {} has: {}", board.name, aliases.join(", "))
}

/// What this machine reserves for the processor, if it has it.
fn reserved(host: &Host, profile: &ProcessorProfile) -> Result<Option<Vec<Region>>> {
    let all = Processor::list(host)?;
    let mut matching = all.iter().filter(|known| profile.is_of(&known.identity.name, known.device_name()));
    match (matching.next(), matching.next()) {
        (Some(one), None) => Ok(board::reserved(host, one)),
        _ => Ok(None),
    }
}

/// A region as a range.
pub fn span(region: &Region) -> Span {
    Span { address: region.address, size: region.size }
}
