//! The remoteproc core's state machine (drivers/remoteproc/remoteproc_core.c), without time and
//! without files.
//!
//! What takes time on a real board, such as loading a file or asking the hardware, is done between
//! a `begin_` and a `finish_` by whoever holds the processor's lock. Every method leaves the lines
//! the kernel would log in the processor; [`Processor::take_lines`] hands them over.

use fuser::Errno;

use crate::core_dump::Identity;
use crate::elf::{Image, Segment, TraceBuffer, text_at};
use crate::memory::Memory;
use crate::processor_spec::{Dumped, ProcessorSpec};
use crate::spec::ProcessorState;

/// Level of a kernel message: `KERN_ERR`.
pub(crate) const ERR: u8 = 3;
/// Level of a kernel message: `KERN_WARNING`.
pub(crate) const WARNING: u8 = 4;
/// Level of a kernel message: `KERN_INFO`.
pub(crate) const INFO: u8 = 6;

/// Which device a kernel message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `remoteproc remoteproc0:`.
    Remoteproc,
    /// The driver's own device, `stm32-rproc 10000000.m4:`.
    Parent,
}

/// A line for the kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: u8,
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

/// What `coredump` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coredump {
    Disabled,
    Enabled,
    Inline,
}

/// What a start has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing: the processor was powered, its reference count went up.
    AlreadyPowered,
    /// Attach to what already runs.
    Attach,
    /// Load and boot the firmware of this name.
    Boot(String),
}

/// What a stop or a detach has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing: others still hold the processor, its reference count went down.
    StillNeeded,
    /// Ask the driver.
    Proceed,
}

/// What a write to `recovery` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing now.
    None,
    /// Recover at once, if crashed.
    Trigger,
}

/// What the loaded firmware put into memory.
#[derive(Debug)]
struct Loaded {
    has_table: bool,
    identity: Identity,
    memory: Vec<Segment>,
    traces: Vec<Trace>,
}

#[derive(Debug)]
struct Trace {
    buffer: TraceBuffer,
    text: Vec<u8>,
    /// Where the firmware writes once the buffer is full.
    over: usize,
}

/// One processor's state.
#[derive(Debug)]
pub(crate) struct Processor {
    name: String,
    memory: Memory,
    needs_resource_table: bool,
    dumped: Dumped,
    state: ProcessorState,
    firmware: String,
    recovery: bool,
    coredump: Coredump,
    power: u32,
    crashes: u32,
    loaded: Option<Loaded>,
    lines: Vec<Line>,
}

impl Processor {
    pub(crate) fn new(spec: &ProcessorSpec) -> Self {
        let mut processor = Processor {
            name: spec.name.clone(),
            memory: spec.memory(),
            needs_resource_table: spec.needs_resource_table,
            dumped: spec.dumped,
            state: spec.initial,
            firmware: spec.firmware.clone(),
            recovery: spec.recovery,
            coredump: Coredump::Disabled,
            power: 0,
            crashes: 0,
            loaded: None,
            lines: Vec::new(),
        };
        processor.force(spec.initial);
        let available = format!("{} is available", processor.name);
        processor.say(INFO, available);
        processor
    }

    /// Puts the processor into `state` as if it had got there properly; logs nothing.
    pub(crate) fn force(&mut self, state: ProcessorState) {
        self.state = state;
        self.power = match state {
            ProcessorState::Offline | ProcessorState::Detached | ProcessorState::Suspended => 0,
            ProcessorState::Running | ProcessorState::Crashed | ProcessorState::Attached => 1,
        };
        if self.power == 0 {
            self.loaded = None;
        }
    }

    // --- start: rproc_boot ---

    pub(crate) fn begin_start(&mut self) -> Start {
        self.power += 1;
        if self.power > 1 {
            return Start::AlreadyPowered;
        }
        if self.state == ProcessorState::Detached {
            self.say(INFO, format!("attaching to {}", self.name));
            return Start::Attach;
        }
        self.say(INFO, format!("powering up {}", self.name));
        Start::Boot(self.firmware.clone())
    }

    pub(crate) fn finish_attach(&mut self, driver: Result<(), Errno>) -> Result<(), Errno> {
        match driver {
            Ok(()) => {
                self.state = ProcessorState::Attached;
                self.say(INFO, format!("remote processor {} is now attached", self.name));
                Ok(())
            }
            Err(errno) => {
                self.say(ERR, format!("can't attach to rproc {}: {}", self.name, -errno.code()));
                Err(self.boot_failed(errno))
            }
        }
    }

    /// Loads `image`, the content of the file called by the `firmware` attribute.
    pub(crate) fn load(&mut self, image: &[u8]) -> Result<(), Errno> {
        self.try_load(image).map_err(|line| {
            if let Some(line) = line {
                self.say(ERR, line);
            }
            Errno::EINVAL
        })
    }

    fn try_load(&mut self, bytes: &[u8]) -> Result<(), Option<String>> {
        let image = Image::check(bytes)?;
        self.say(INFO, format!("Booting fw image {}, size {}", self.firmware, bytes.len()));

        let table = match image.resource_table() {
            Ok(Some(table)) => Some(table),
            Ok(None) if self.needs_resource_table => return Err(None),
            Err(line) if self.needs_resource_table => return Err(Some(line)),
            Ok(None) => {
                self.say(WARNING, "no resource table found for this firmware".into());
                None
            }
            // Said again when the driver looks for the loaded table.
            Err(line) => {
                self.say(ERR, line.clone());
                self.say(WARNING, "no resource table found for this firmware".into());
                self.say(ERR, line);
                None
            }
        };
        // Whatever the driver thinks of a missing table: one that is there is handled, or the start fails.
        let traces = table.map(Image::traces).transpose().map_err(|line| {
            if !line.is_empty() {
                self.say(ERR, line);
            }
            format!("Failed to process resources: {}", -libc::EINVAL)
        })?;
        let memory = self.load_segments(&image)?;
        let text = |buffer| Trace { text: text_at(&memory, &buffer), buffer, over: 0 };
        let has_table = table.is_some();
        let traces = traces.into_iter().flatten().map(text).collect();
        self.loaded = Some(Loaded { has_table, identity: image.identity(), memory, traces });
        Ok(())
    }

    fn load_segments(&mut self, image: &Image<'_>) -> Result<Vec<Segment>, String> {
        image.load(&self.memory).map_err(|line| {
            self.say(ERR, line);
            format!("Failed to load program segments: {}", -libc::EINVAL)
        })
    }

    /// The driver's answer to a start whose firmware is loaded.
    pub(crate) fn driver_started(&mut self, driver: Result<(), Errno>) -> Result<(), Errno> {
        match driver {
            Ok(()) => {
                self.state = ProcessorState::Running;
                self.say(INFO, format!("remote processor {} is now up", self.name));
                Ok(())
            }
            Err(errno) => {
                self.say(ERR, format!("can't start rproc {}: {}", self.name, -errno.code()));
                Err(errno)
            }
        }
    }

    /// Ends a start that failed anywhere: gives back the reference it took.
    pub(crate) fn boot_failed(&mut self, errno: Errno) -> Errno {
        self.power = self.power.saturating_sub(1);
        self.loaded = None;
        self.say(ERR, format!("Boot failed: {}", -errno.code()));
        errno
    }

    // --- stop and detach: rproc_shutdown, rproc_detach ---

    pub(crate) fn begin_stop(&mut self) -> Result<Stop, Errno> {
        match self.state {
            ProcessorState::Running | ProcessorState::Attached => Ok(self.release()),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn finish_stop(&mut self, driver: Result<(), Errno>) -> Result<(), Errno> {
        match driver {
            Ok(()) => {
                self.loaded = None;
                self.driver_stopped();
                Ok(())
            }
            Err(errno) => {
                self.power += 1;
                self.say(ERR, format!("can't stop rproc: {}", -errno.code()));
                Err(errno)
            }
        }
    }

    pub(crate) fn begin_detach(&mut self) -> Result<Stop, Errno> {
        match self.state {
            ProcessorState::Attached => Ok(self.release()),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn finish_detach(&mut self, driver: Result<(), Errno>) -> Result<(), Errno> {
        match driver {
            Ok(()) => {
                self.state = ProcessorState::Detached;
                self.say(INFO, format!("detached remote processor {}", self.name));
                Ok(())
            }
            Err(errno) => {
                self.power += 1;
                self.say(ERR, format!("can't detach from rproc: {}", -errno.code()));
                Err(errno)
            }
        }
    }

    fn release(&mut self) -> Stop {
        self.power = self.power.saturating_sub(1);
        if self.power > 0 { Stop::StillNeeded } else { Stop::Proceed }
    }

    fn driver_stopped(&mut self) {
        self.state = ProcessorState::Offline;
        self.say(INFO, format!("stopped remote processor {}", self.name));
    }

    // --- crash and recovery: rproc_report_crash, rproc_crash_handler_work, rproc_boot_recovery ---

    /// Reports a crash of type `kind`: 0 mmufault, 1 watchdog, 2 fatal error.
    pub(crate) fn report_crash(&mut self, kind: u32) {
        let kind = match kind {
            0 => "mmufault",
            1 => "watchdog",
            2 => "fatal error",
            _ => "unknown",
        };
        self.say(ERR, format!("crash detected in {}: type {kind}", self.name));
    }

    /// Handles a reported crash; says whether recovery is to follow.
    pub(crate) fn handle_crash(&mut self) -> bool {
        if matches!(self.state, ProcessorState::Crashed | ProcessorState::Offline) {
            return false;
        }
        self.state = ProcessorState::Crashed;
        self.crashes += 1;
        self.say(ERR, format!("handling crash #{} in {}", self.crashes, self.name));
        self.recovery
    }

    /// Whether there is a crash to recover from.
    pub(crate) fn begin_recovery(&mut self) -> bool {
        if self.state != ProcessorState::Crashed {
            return false;
        }
        self.say(ERR, format!("recovering {}", self.name));
        true
    }

    /// The driver's answer to the stop a recovery begins with; the file to load next.
    pub(crate) fn recovery_stopped(&mut self, driver: Result<(), Errno>) -> Option<String> {
        match driver {
            Ok(()) => {
                self.driver_stopped();
                Some(self.firmware.clone())
            }
            Err(errno) => {
                self.say(ERR, format!("can't stop rproc: {}", -errno.code()));
                None
            }
        }
    }

    /// Reloads the segments only: a recovery neither checks the image nor reads its resource table.
    pub(crate) fn reload(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let memory = Image::check(bytes).and_then(|image| self.load_segments(&image));
        let memory = memory.map_err(|line| {
            self.say(ERR, line);
            Errno::EINVAL
        })?;
        if let Some(loaded) = self.loaded.as_mut() {
            for trace in &mut loaded.traces {
                trace.text = text_at(&memory, &trace.buffer);
            }
            loaded.memory = memory;
        }
        Ok(())
    }

    // --- removal of the device: rproc_del ---

    /// Ends the device; says whether the driver is asked to stop the processor.
    pub(crate) fn begin_removal(&mut self) -> bool {
        matches!(self.begin_stop(), Ok(Stop::Proceed))
    }

    pub(crate) fn finish_removal(&mut self) {
        self.say(INFO, format!("releasing {}", self.name));
    }

    // --- attributes ---

    pub(crate) fn state(&self) -> ProcessorState {
        self.state
    }

    pub(crate) fn power(&self) -> u32 {
        self.power
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn firmware(&self) -> &str {
        if self.state == ProcessorState::Attached { "unknown" } else { &self.firmware }
    }

    pub(crate) fn set_firmware(&mut self, text: &str) -> Result<(), Errno> {
        if self.state != ProcessorState::Offline {
            self.parent_says("can't change firmware while running");
            return Err(Errno::EBUSY);
        }
        let name = text.split('\n').next().unwrap_or_default();
        if name.is_empty() {
            self.parent_says("can't provide empty string for firmware name");
            return Err(Errno::EINVAL);
        }
        self.firmware = name.into();
        Ok(())
    }

    pub(crate) fn recovery(&self) -> &'static str {
        if self.recovery { "enabled" } else { "disabled" }
    }

    pub(crate) fn set_recovery(&mut self, word: &str) -> Result<Recovery, Errno> {
        match word {
            "enabled" => {
                self.recovery = true;
                Ok(Recovery::Trigger)
            }
            "disabled" => {
                self.recovery = false;
                Ok(Recovery::None)
            }
            "recover" => Ok(Recovery::Trigger),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn coredump(&self) -> &'static str {
        match self.coredump {
            Coredump::Disabled => "disabled",
            Coredump::Enabled => "enabled",
            Coredump::Inline => "inline",
        }
    }

    pub(crate) fn set_coredump(&mut self, word: &str) -> Result<(), Errno> {
        if self.state == ProcessorState::Crashed {
            self.say(ERR, "can't change coredump configuration".into());
            return Err(Errno::EBUSY);
        }
        self.coredump = match word {
            "disabled" => Coredump::Disabled,
            "enabled" => Coredump::Enabled,
            "inline" => Coredump::Inline,
            _ => {
                self.say(ERR, "Invalid coredump configuration".into());
                return Err(Errno::EINVAL);
            }
        };
        Ok(())
    }

    pub(crate) fn unknown_word(&mut self, word: &str) -> Errno {
        self.say(ERR, format!("Unrecognised option: {word}"));
        Errno::EINVAL
    }

    /// The debugfs file `resource_table`, as far as it is about trace buffers
    /// (drivers/remoteproc/remoteproc_debugfs.c).
    pub(crate) fn resource_table(&self) -> String {
        let Some(loaded) = self.loaded.as_ref().filter(|loaded| loaded.has_table) else {
            return "No resource table found\n".into();
        };
        let entry = |(index, Trace { buffer, .. }): (usize, &Trace)| {
            format!(
                "Entry {index} is of type trace\n  Device Address 0x{:x}\n  Length 0x{:x} Bytes\n  \
                 Reserved (should be zero) [0]\n  Name trace{index}\n\n",
                buffer.address, buffer.len
            )
        };
        loaded.traces.iter().enumerate().map(entry).collect()
    }

    /// How many trace buffers the firmware announced.
    pub(crate) fn traces(&self) -> usize {
        self.loaded.as_ref().map_or(0, |loaded| loaded.traces.len())
    }

    pub(crate) fn trace(&self, index: usize) -> Option<&[u8]> {
        Some(&self.loaded.as_ref()?.traces.get(index)?.text)
    }

    /// Lets the firmware write to its first trace buffer, round and round; false if it has none.
    pub(crate) fn append_trace(&mut self, text: &[u8]) -> bool {
        let Some(trace) = self.loaded.as_mut().and_then(|loaded| loaded.traces.first_mut()) else {
            return false;
        };
        for byte in text {
            if (trace.text.len() as u64) < trace.buffer.len {
                trace.text.push(*byte);
            } else if let Some(old) = trace.text.get_mut(trace.over) {
                *old = *byte;
                trace.over = (trace.over + 1) % trace.text.len();
            }
        }
        true
    }

    // --- the kernel log ---

    /// What is to be logged since the last call.
    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    pub(crate) fn say(&mut self, level: u8, text: String) {
        self.lines.push(Line { level, origin: Origin::Remoteproc, text });
    }

    pub(crate) fn parent_says(&mut self, text: &str) {
        self.lines.push(Line { level: ERR, origin: Origin::Parent, text: text.into() });
    }
}

mod dump;
#[cfg(test)]
mod tests;
