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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remoteproc::Identity;

    /// A machine with one processor, whose node has this `memory-region`; three regions are reserved.
    fn machine(memory_region: Option<&[u8]>) -> (tempfile::TempDir, Option<Vec<Region>>) {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let memory = "proc/device-tree/reserved-memory";
        put(&format!("{memory}/#address-cells"), &[0, 0, 0, 2]);
        put(&format!("{memory}/#size-cells"), &[0, 0, 0, 1]);
        for (handle, address) in [(1, 0x10), (2, 0x20), (3, 0x30)] {
            put(&format!("{memory}/r{handle}/phandle"), &[0, 0, 0, handle]);
            put(&format!("{memory}/r{handle}/reg"), &[0, 0, 0, 1, address, 0, 0, 0, 0, 1, 0, 0]);
        }
        put(&format!("{memory}/cut/phandle"), &[0, 0, 0, 1]);
        put(&format!("{memory}/cut/reg"), &[0, 0, 0, 1, 0, 0]);
        if let Some(bytes) = memory_region {
            put("device/of_node/memory-region", bytes);
        }
        let identity = Identity { name: "m4".into(), device: dir.path().join("device") };
        let processor = Processor { identity, path: "/sys/class/remoteproc/remoteproc0".into() };
        let found = reserved(&Host::new(dir.path()).unwrap(), &processor);
        (dir, found)
    }

    fn region(address: u64) -> Region {
        Region { address, size: 0x1_0000 }
    }

    #[test]
    fn the_regions_are_those_that_the_node_names() {
        let mut found = machine(Some(&[0, 0, 0, 3, 0, 0, 0, 1])).1.unwrap();
        found.sort_by_key(|region| region.address);
        assert_eq!(found, [region(0x1_1000_0000), region(0x1_3000_0000)]);
        assert_eq!(machine(Some(&[])).1, Some(Vec::new()));
        assert_eq!(machine(Some(&[0, 0, 0])).1, Some(Vec::new()), "a property that is cut off");
        assert_eq!(machine(None).1, None);
    }
}
