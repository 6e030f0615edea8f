//! Whether a firmware can run on a processor: what the kernel, the processor's driver and its memory have against it.

use super::elf::{self, Elf};
use super::image::FirmwareImage;
use super::resource_table::{self, Entry, ResourceTable};
use super::span::Span;
use super::windows::Windows;
use crate::board::{ProcessorProfile, Region};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// It cannot run.
    Error,
    /// It may not run, or not as it is meant to.
    Warning,
    /// Something could not be looked at.
    Note,
}

impl Level {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that was found: a sentence whose subject is the file, or a part of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is, without a final stop.
    pub text: String,
}

/// What is in a firmware, and all that was found.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// What it consists of; `None` where it is no ELF file that can be read.
    pub elf: Option<Elf>,
    /// Its resource table, where it has one that the kernel would read.
    pub table: Option<ResourceTable>,
    /// For each segment the index of the profile's window that takes it.
    pub placed: Vec<Option<usize>>,
    /// Everything that was found.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// The findings for which it cannot run.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.findings
            .iter()
            .filter(|finding| finding.level == Level::Error)
            .map(|finding| finding.text.as_str())
    }

    /// Errors stand first.
    fn find(&mut self, level: Level, text: String) {
        let at = self.findings.partition_point(|finding| finding.level <= level);
        self.findings.insert(at, Finding { level, text });
    }
}

/// Examines a firmware for a processor. `reserved` is what the device tree reserves for that, where it can be told.
pub fn examine(
    image: &FirmwareImage,
    profile: Option<&ProcessorProfile>,
    reserved: Option<&[Region]>,
) -> Examination {
    let mut seen = Examination::default();
    match elf::read(image.file(), image.size()) {
        Err(problem) => seen.find(Level::Error, problem),
        Ok(elf) => {
            for problem in &elf.problems {
                seen.find(Level::Error, problem.clone());
            }
            seen.table_of(image, &elf, profile);
            match profile {
                Some(profile) => seen.compare(&elf, profile, Windows::of(profile, reserved)),
                None => seen.find(
                    Level::Note,
                    "no board profile knows the processor: machine, class and memory were not compared"
                        .to_owned(),
                ),
            }
            seen.elf = Some(elf);
        }
    }
    seen
}

impl Examination {
    fn table_of(&mut self, image: &FirmwareImage, elf: &Elf, profile: Option<&ProcessorProfile>) {
        let needed = profile.and_then(|profile| profile.needs_resource_table);
        let read =
            elf.resource_table.map(|section| resource_table::read(image.file(), image.size(), &section));
        match read {
            None if needed == Some(true) => {
                self.find(
                    Level::Error,
                    "has no resource table, and the driver takes no firmware without".to_owned(),
                );
            }
            None => {}
            // Such drivers go on without it (stm32_rproc_parse_fw, imx_rproc_parse_fw, pru_rproc_parse_fw).
            Some(Err(problem)) if needed == Some(false) => {
                self.find(Level::Warning, format!("{problem}; the kernel goes on as if there were none"));
            }
            Some(Err(problem)) => self.find(Level::Error, problem),
            Some(Ok(table)) => {
                for problem in &table.problems {
                    self.find(Level::Error, problem.clone());
                }
                for doubt in &table.doubts {
                    self.find(Level::Warning, doubt.clone());
                }
                self.table = Some(table);
            }
        }
    }

    fn compare(&mut self, elf: &Elf, profile: &ProcessorProfile, windows: Option<Windows<'_>>) {
        let alias = profile.alias();
        let mut silent = Vec::new();
        match profile.machine {
            Some(machine) if machine != elf.machine => {
                self.find(Level::Error, format!("is for {}, and {alias} is {machine}", elf.machine));
            }
            Some(_) => {}
            None => silent.push("the machine"),
        }
        match profile.class {
            Some(class) if class != elf.class => {
                self.find(Level::Error, format!("has {} bits, and {alias} takes {class}", elf.class));
            }
            Some(_) => {}
            None => silent.push("the class"),
        }
        if profile.needs_resource_table.is_none() && elf.resource_table.is_none() {
            silent.push("whether there must be a resource table");
        }
        match windows {
            Some(windows) => self.place(elf, &windows),
            None => silent.push("where there is memory"),
        }
        if !silent.is_empty() {
            let text = format!("the profile of {alias} does not tell {}: not compared", silent.join(", "));
            self.find(Level::Warning, text);
        }
    }

    fn place(&mut self, elf: &Elf, windows: &Windows<'_>) {
        for segment in &elf.segments {
            let placed = windows.place(segment.memory);
            if let Err(problem) = &placed {
                let (number, holds, memory) = (segment.number, segment.holds(), segment.memory);
                let (level, problem) = match self.carve_out(memory) {
                    Some(name) => (
                        Level::Warning,
                        format!("goes to the carve-out {name:?} that it asks for: not compared"),
                    ),
                    None => (Level::Error, problem.clone()),
                };
                self.find(level, format!("segment {number} ({holds}, {memory}) {problem}"));
            }
            self.placed.push(placed.ok());
        }
        if let Some(name) = windows.untold(self.placed.iter().flatten().copied()) {
            let text =
                format!("only the board tells whether its device tree reserves the memory used in {name}");
            self.find(Level::Note, text);
        }
        let answered = self.table.as_ref().filter(|table| table.is_answered()).map(|table| table.memory);
        if let Some(memory) = answered.filter(|memory| windows.place(*memory).is_err()) {
            let text = format!(
                "the processor has no memory where its resource table lies ({memory}): it will not learn where its vrings are"
            );
            self.find(Level::Warning, text);
        }
    }

    /// The name of the memory that the firmware itself asks for there: the kernel loads to that as well
    /// (drivers/remoteproc/remoteproc_core.c, `rproc_alloc_carveout`, `rproc_da_to_va`).
    fn carve_out(&self, memory: Span) -> Option<String> {
        let entries = &self.table.as_ref()?.entries;
        let holds = |entry: &&Entry| {
            let span = entry.address.map(|address| Span { address, size: entry.size });
            entry.kind == "carveout" && span.is_some_and(|span| span.holds(memory))
        };
        entries.iter().find(holds).map(|entry| entry.name.clone())
    }
}
