//! The memory that a device tree reserves for a processor (Documentation/devicetree/bindings/reserved-memory).

use std::path::Path;

use crate::host::Host;
use crate::remoteproc::Processor;

/// Memory as Linux sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Region {
    /// Its first address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// What the property `memory-region` of a processor's node names; `None` where the kernel shows no device tree for it.
/// What cannot be read of it is left out.
pub fn reserved(host: &Host, processor: &Processor) -> Option<Vec<Region>> {
    let node = processor.identity.device.join("of_node");
    if !node.is_dir() {
        return None;
    }
    let wanted: Vec<u64> = cells(&node.join("memory-region")).map(u64::from).collect();
    let memory = host.path("proc/device-tree/reserved-memory");
    let count = |name: &str| cells(&memory.join(name)).next().and_then(|count| usize::try_from(count).ok());
    let (address_cells, size_cells) = (count("#address-cells")?, count("#size-cells")?);
    let nodes = std::fs::read_dir(&memory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let regions = nodes
        .filter(|node| {
            cells(&node.join("phandle")).next().is_some_and(|handle| wanted.contains(&handle.into()))
        })
        .filter_map(|node| {
            let reg: Vec<u32> = cells(&node.join("reg")).collect();
            let (address, size) = reg.split_at_checked(address_cells)?;
            Some(Region { address: number(address), size: number(size.get(..size_cells)?) })
        });
    Some(regions.collect())
}

/// The 32-bit cells of a property, big-endian as they are in a device tree.
fn cells(path: &Path) -> impl Iterator<Item = u32> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let cells: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|cell| cell.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
        .collect();
    cells.into_iter()
}

fn number(cells: &[u32]) -> u64 {
    cells.iter().fold(0, |number, cell| number << 32 | u64::from(*cell))
}
