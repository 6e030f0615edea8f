//! What of a processor's address space firmware can be loaded to.

/// Addresses a processor's driver knows, and where the system has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address, as the processor sees it.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// First address, as Linux sees it.
    pub system: u64,
    /// Whether the driver maps all of it; otherwise only what is reserved for the processor can be loaded to.
    pub mapped: bool,
}

/// Memory that the device tree reserves for a processor, by the system's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) size: u64,
}

impl Region {
    /// Whether firmware can lie here: not where messages do (`vdev*`), nor in a pool for DMA
    /// (drivers/remoteproc/imx_rproc.c, ti_k3_common.c).
    pub(crate) fn takes_firmware(&self) -> bool {
        !self.name.starts_with("vdev") && !self.name.contains("dma-")
    }
}

/// The memory of one processor.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    windows: Vec<Window>,
    /// The windows, and the regions that lie behind none.
    table: Vec<Window>,
    /// What the driver has mapped, by the system's addresses.
    mapped: Vec<Range>,
    regions: Vec<Range>,
    full_refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    start: u64,
    len: u64,
}

impl Range {
    fn holds(self, start: u64, len: u64) -> bool {
        let end = start.checked_add(len);
        start >= self.start && end.is_some_and(|end| end <= self.start.saturating_add(self.len))
    }
}

impl Memory {
    /// Regions lie at their own addresses where no window translates.
    pub(crate) fn new(windows: &[Window], regions: &[Region], full_refused: bool) -> Self {
        let regions: Vec<Range> = regions
            .iter()
            .filter(|region| region.takes_firmware())
            .map(|region| Range { start: region.address, len: region.size })
            .collect();
        let mut table = windows.to_vec();
        if windows.iter().all(|window| window.mapped) {
            table.extend(regions.iter().map(|region| Window {
                start: region.start,
                len: region.len,
                system: region.start,
                mapped: true,
            }));
        }
        let own = table.iter().filter(|window| window.mapped);
        let own = own.map(|window| Range { start: window.system, len: window.len });
        let mapped = own.chain(regions.iter().copied()).collect();
        Memory { windows: windows.to_vec(), table, mapped, regions, full_refused }
    }

    /// Whether `len` bytes can be loaded to `address`. As in the kernel the first window that fits counts, and what the
    /// driver refuses may still lie in a carve-out, to its very end (remoteproc_core.c, rproc_da_to_va).
    pub(crate) fn takes(&self, address: u64, len: u64) -> bool {
        self.system(address, len)
            .is_some_and(|system| self.mapped.iter().any(|range| self.fits(*range, system, len)))
            || self
                .regions
                .iter()
                .any(|region| Range { start: self.seen(region), ..*region }.holds(address, len))
    }

    /// What a driver has dumped after a crash: windows it maps, and what is reserved, as the processor sees them.
    pub(crate) fn dumped(&self) -> Vec<(u64, u64)> {
        let own = self.windows.iter().filter(|window| window.mapped).map(|window| (window.start, window.len));
        own.chain(self.regions.iter().map(|region| (self.seen(region), region.len))).collect()
    }

    /// Where the processor has a region.
    fn seen(&self, region: &Range) -> u64 {
        let last = region.start + region.len.saturating_sub(1);
        let holds = |window: &&Window| region.start >= window.system && last - window.system < window.len;
        let window = self.windows.iter().find(holds);
        window.map_or(region.start, |window| window.start + (region.start - window.system))
    }

    fn system(&self, address: u64, len: u64) -> Option<u64> {
        let window = self
            .table
            .iter()
            .find(|window| self.fits(Range { start: window.start, len: window.len }, address, len))?;
        Some(window.system + (address - window.start))
    }

    /// Some drivers take a range's end for its last byte (`da + len < end`, drivers/remoteproc/imx_rproc.c).
    fn fits(&self, range: Range, start: u64, len: u64) -> bool {
        let fills = start.saturating_add(len) == range.start.saturating_add(range.len);
        range.holds(start, len) && !(self.full_refused && fills)
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, Region, Window};

    fn window(start: u64, len: u64, system: u64, mapped: bool) -> Window {
        Window { start, len, system, mapped }
    }

    fn region(name: &str, address: u64, size: u64) -> Region {
        Region { name: name.into(), address, size }
    }

    #[test]
    fn a_window_takes_what_lies_inside() {
        let memory = Memory::new(&[window(0x100, 0x100, 0x9100, true)], &[], false);
        assert!(memory.takes(0x100, 0x100));
        assert!(!memory.takes(0x101, 0x100));
        assert!(!memory.takes(0xff, 2));
        assert!(!memory.takes(0x9100, 1), "the system's address is not the processor's");
        assert!(!memory.takes(u64::MAX, 2));
    }

    #[test]
    fn some_drivers_refuse_a_full_window() {
        let memory = Memory::new(&[window(0, 0x100, 0, true)], &[], true);
        assert!(memory.takes(0, 0xff));
        assert!(!memory.takes(0, 0x100));
    }

    #[test]
    fn reserved_memory_is_a_carve_out_and_may_be_filled_where_the_first_window_has_it() {
        let windows = [window(0x1000, 0x1000, 0x8000, false), window(0x8000, 0x2000, 0x8000, false)];
        let memory = Memory::new(&windows, &[region("m4", 0x8100, 0x100)], true);
        assert!(memory.takes(0x1100, 0x100));
        assert!(memory.takes(0x8100, 0xff));
        assert!(!memory.takes(0x8100, 0x100), "the carve-out has the first window's address");
        assert!(!memory.takes(0x1100, 0x101));
    }

    #[test]
    fn behind_an_unmapped_window_only_reserved_memory_can_be_loaded_to() {
        let ddr = window(0x1000_0000, 0x1000_0000, 0x8000_0000, false);
        let regions = [region("m4", 0x8010_0000, 0x1000), region("vdev0vring0", 0x8020_0000, 0x1000)];
        let memory = Memory::new(&[ddr], &regions, false);
        assert!(memory.takes(0x1010_0000, 0x1000));
        assert!(!memory.takes(0x1010_0800, 0x1000));
        assert!(!memory.takes(0x1020_0000, 0x10));
        assert!(!memory.takes(0x8010_0000, 0x10), "no window leads there");
        assert_eq!(memory.dumped(), [(0x1010_0000, 0x1000)]);
    }

    #[test]
    fn an_alias_of_a_mapped_window_is_as_good() {
        let windows = [window(0, 0x100, 0x7e00, false), window(0x2000, 0x100, 0x7e00, true)];
        let memory = Memory::new(&windows, &[], false);
        assert!(memory.takes(0, 0x80));
        assert!(memory.takes(0x2000, 0x80));
    }

    #[test]
    fn without_translation_a_region_lies_at_its_own_address() {
        let regions =
            [region("r5f-dma-memory", 0xa000_0000, 0x1000), region("r5f-memory", 0xa010_0000, 0x1000)];
        let memory = Memory::new(&[window(0, 0x8000, 0x7800_0000, true)], &regions, false);
        assert!(memory.takes(0xa010_0000, 0x1000));
        assert!(!memory.takes(0xa000_0000, 0x10), "messages lie there");
        assert_eq!(memory.dumped(), [(0, 0x8000), (0xa010_0000, 0x1000)]);
    }
}
