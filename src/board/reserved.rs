//! The memory that a device tree reserves for a processor (Documentation/devicetree/bindings/reserved-memory).

use std::path::Path;

use crate::host::Host;
use crate::remoteproc::Processor;
use crate::sys::files;

/// Memory as Linux sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Region {
    /// Its first address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// What the property `memory-region` of a processor's node names; `None` where the kernel shows no device tree for it, or
/// one that leaves a place to the kernel. In the order of that property.
///
/// Without the regions for messages, which the drivers keep to themselves: by their names
/// (drivers/remoteproc/imx_rproc.c, `imx_rproc_addr_init`; the first one of TI K3 has `dma` in its name, see
/// arch/arm64/boot/dts/ti).
pub fn reserved(host: &Host, processor: &Processor) -> Option<Vec<Region>> {
    let node = processor.identity.device.join("of_node");
    if !node.is_dir() {
        return None;
    }
    let wanted: Vec<u32> = cells(&node.join("memory-region")).collect();
    let memory = host.path("proc/device-tree/reserved-memory");
    let count = |name: &str| cells(&memory.join(name)).next().and_then(|count| usize::try_from(count).ok());
    if wanted.is_empty() {
        return Some(Vec::new());
    }
    let (address_cells, size_cells) = (count("#address-cells")?, count("#size-cells")?);
    let mut regions = vec![None; wanted.len()];
    for node in files::entries(&memory).ok()?.into_iter().map(|entry| entry.path) {
        let name = node.file_name()?.to_string_lossy().into_owned();
        let handle = cells(&node.join("phandle")).next();
        let slots = wanted.iter().zip(&mut regions).filter(|(wanted, _)| handle == Some(**wanted));
        let Some((_, slot)) = slots.last() else { continue };
        if name.starts_with("vdev") || name.contains("dma") {
            continue;
        }
        let reg: Vec<u32> = cells(&node.join("reg")).collect();
        let (address, size) = reg.split_at_checked(address_cells)?;
        *slot = Some(Region { address: number(address), size: number(size.get(..size_cells)?) });
    }
    Some(regions.into_iter().flatten().collect())
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

    /// A region's name, its phandle, its `reg`.
    type Node<'a> = (&'a str, u32, &'a [u32]);

    fn bytes(cells: &[u32]) -> Vec<u8> {
        cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
    }

    /// What a processor has whose node has this `memory-region`, or that has no node.
    fn told(regions: &[Node<'_>], wanted: Option<&[u8]>) -> Option<Vec<Region>> {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        let memory = "proc/device-tree/reserved-memory";
        put(&format!("{memory}/#address-cells"), &bytes(&[2]));
        put(&format!("{memory}/#size-cells"), &bytes(&[1]));
        for (name, phandle, reg) in regions {
            put(&format!("{memory}/{name}/phandle"), &bytes(&[*phandle]));
            if !reg.is_empty() {
                put(&format!("{memory}/{name}/reg"), &bytes(reg));
            }
        }
        if let Some(wanted) = wanted {
            put("device/of_node/memory-region", wanted);
        }
        let host = Host::new(dir.path()).unwrap();
        let identity = Identity { name: "m4".to_owned(), device: host.path("device") };
        reserved(&host, &Processor { identity, path: host.path("class") })
    }

    #[test]
    fn what_the_node_names_is_reserved_but_for_the_memory_for_messages() {
        let nodes: [Node<'_>; 5] = [
            ("m4@180000000", 1, &[1, 0x8000_0000, 0x1000]),
            ("other@0", 2, &[0, 0, 0x1000]),
            ("vdev0vring0@1", 3, &[0, 1, 1]),
            ("r5f-dma-memory@2", 4, &[0, 2, 1]),
            ("table@10", 5, &[0, 0x10, 0x20]),
        ];
        let region = |address, size| Region { address, size };
        let both = vec![region(0x10, 0x20), region(0x1_8000_0000, 0x1000)];
        assert_eq!(told(&nodes, Some(&bytes(&[5, 4, 3, 1, 9]))), Some(both));
        assert_eq!(told(&nodes, Some(&[])), Some(Vec::new()));
        assert_eq!(told(&nodes, Some(&[0, 0, 0])), Some(Vec::new()), "a property that is cut off");
        assert_eq!(told(&nodes, None), None);
    }

    #[test]
    fn a_place_that_the_kernel_chooses_or_that_cannot_be_read_leaves_it_open() {
        for reg in [&[][..], &[0], &[0, 1]] {
            assert_eq!(told(&[("m4", 1, reg)], Some(&bytes(&[1]))), None, "{reg:?}");
        }
    }
}
