//! What a board profile says. Written in TOML, see boards/README.md.

use super::machine::Machine;
use crate::remoteproc::{Coredump, Recovery};

/// A family of boards: its processors, and how it is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoardProfile {
    /// What `--board` takes: lower-case letters, digits and `-`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Strings of a device tree by which a board is one of these (Documentation/devicetree/usage-model.rst).
    pub compatible: Vec<String>,
    /// Its processors, in the order of the file.
    pub processors: Vec<ProcessorProfile>,
}

/// What is known of a processor.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProcessorProfile {
    /// What people call it; the first is shown.
    pub aliases: Vec<String>,
    /// What the attribute `name` reads, in any kernel.
    pub names: Vec<String>,
    /// The last part of the path of its device, where names are not enough.
    pub device: Option<String>,
    /// `e_machine` of its firmware.
    pub machine: Option<Machine>,
    /// ELF class in bits: 32 or 64.
    pub class: Option<u64>,
    /// Where firmware can be loaded to; `None` where that is not known.
    pub windows: Option<Vec<Window>>,
    /// Whether the driver refuses a segment that ends exactly where its window does
    /// (drivers/remoteproc/imx_rproc.c, `imx_rproc_da_to_sys`).
    pub refuses_full_windows: bool,
    /// Whether the driver refuses firmware without a resource table; `None` where that is not known.
    pub needs_resource_table: Option<bool>,
    /// Alias of the processor that must run before this one, and stop after it.
    pub after: Option<String>,
    /// To write to the attribute `recovery` before start.
    pub recovery: Option<Recovery>,
    /// To write to the attribute `coredump` before start.
    pub coredump: Option<Coredump>,
    /// Seconds that a stop may take: 1 to 3600.
    pub stop_timeout: Option<u32>,
    /// The firmware that the vendor's kernel boots by itself.
    pub firmware: Option<String>,
    /// What one must know, a sentence each.
    pub hints: Vec<String>,
}

/// Addresses that firmware can be loaded to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// DTCM, OCRAM, DDR, ...
    pub name: String,
    /// The first, as the processor sees it (`p_paddr`).
    pub address: u64,
    /// Bytes, at least 1; address + size fit into 64 bits.
    pub size: u64,
    /// The first, as Linux sees it.
    pub system: u64,
    /// Only what the device tree reserves for the processor in here can be loaded to (`memory-region`).
    pub reserved: bool,
}

impl BoardProfile {
    /// The processor that people call `alias`.
    pub fn processor(&self, alias: &str) -> Option<&ProcessorProfile> {
        self.processors.iter().find(|processor| processor.aliases.iter().any(|known| known == alias))
    }
}

impl ProcessorProfile {
    /// What it is called; every profile has one, so that an empty name is never seen.
    pub fn alias(&self) -> &str {
        self.aliases.first().map_or("", String::as_str)
    }

    /// Whether this is about the processor with this `name` and device.
    pub fn is_of(&self, name: &str, device: &str) -> bool {
        self.names.iter().any(|known| known == name)
            && self.device.as_deref().is_none_or(|known| known == device)
    }
}

impl Window {
    /// The last address.
    pub fn last(&self) -> u64 {
        self.address.saturating_add(self.size).saturating_sub(1)
    }
}
