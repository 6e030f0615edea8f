//! The machine's device tree: `/sys/firmware/devicetree/base`, which `/proc/device-tree` leads to.

use crate::memory::Region;
use crate::processor_spec::ProcessorSpec;
use crate::spec::BoardSpec;
use crate::tree::{File, ROOT, Tree};

const BASE: &str = "sys/firmware/devicetree/base";

/// Makes the whole tree.
pub(crate) fn make(tree: &mut Tree, spec: &BoardSpec) {
    let proc = tree.directory(ROOT, "proc");
    // The kernel's link is absolute; this one stays on the board.
    tree.link(proc, "device-tree", &format!("../{BASE}"));

    let base = tree.directory(ROOT, BASE);
    property(tree, base, "name", b"\0".to_vec());
    property(tree, base, "model", strings(std::slice::from_ref(&spec.model)));
    property(tree, base, "compatible", strings(&spec.compatible));
    cells(tree, base, spec.cells);

    let regions = regions(spec);
    if !regions.is_empty() {
        reserved_memory(tree, base, spec.cells, &regions);
    }
    for processor in &spec.processors {
        node(tree, base, processor, &regions);
    }
}

/// Path of a processor's node.
pub(crate) fn node_path(spec: &ProcessorSpec) -> String {
    format!("{BASE}/{}", spec.node_path())
}

/// All regions once, though processors share some. A region's phandle is its place here, from 1 on.
fn regions(spec: &BoardSpec) -> Vec<&Region> {
    let mut regions: Vec<&Region> = Vec::new();
    for region in spec.processors.iter().flat_map(|processor| &processor.regions) {
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    regions
}

fn reserved_memory(tree: &mut Tree, base: u64, count: u32, regions: &[&Region]) {
    let parent = named(tree, base, "reserved-memory");
    cells(tree, parent, count);
    property(tree, parent, "ranges", Vec::new());
    for (phandle, region) in (1u32..).zip(regions) {
        let node = named(tree, parent, &format!("{}@{:x}", region.name, region.address));
        let reg = [region.address, region.size].iter().flat_map(|&number| cell(number, count)).collect();
        property(tree, node, "reg", reg);
        property(tree, node, "phandle", phandle.to_be_bytes().to_vec());
        property(tree, node, "no-map", Vec::new());
    }
}

fn node(tree: &mut Tree, base: u64, processor: &ProcessorSpec, regions: &[&Region]) {
    let node = processor.node_path().split('/').fold(base, |parent, name| named(tree, parent, name));
    property(tree, node, "compatible", strings(&processor.compatible));
    if !processor.regions.is_empty() {
        let phandle = |region: &Region| (1u32..).zip(regions).find(|(_, known)| **known == region);
        let phandles = processor.regions.iter().filter_map(phandle);
        let bytes = phandles.flat_map(|(phandle, _)| phandle.to_be_bytes()).collect();
        property(tree, node, "memory-region", bytes);
    }
}

/// A node, with the property that has its name without the address.
fn named(tree: &mut Tree, parent: u64, name: &str) -> u64 {
    let node = tree.directory(parent, name);
    let bare = name.split('@').next().unwrap_or(name);
    property(tree, node, "name", strings(&[bare.to_owned()]));
    node
}

fn cells(tree: &mut Tree, node: u64, count: u32) {
    for name in ["#address-cells", "#size-cells"] {
        property(tree, node, name, count.to_be_bytes().to_vec());
    }
}

/// A big-endian number of `count` cells of four bytes.
fn cell(number: u64, count: u32) -> Vec<u8> {
    number.to_be_bytes()[8 - 4 * count as usize..].to_vec()
}

fn strings(strings: &[String]) -> Vec<u8> {
    strings.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
}

fn property(tree: &mut Tree, node: u64, name: &str, value: Vec<u8>) {
    tree.file(node, name, 0o444, value.len() as u64, File::Fixed(value));
}
