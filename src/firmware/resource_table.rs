//! The resource table of a firmware: what it asks the kernel for, checked as the kernel does
//! (drivers/remoteproc/remoteproc_elf_loader.c, `find_table`; remoteproc_core.c, `rproc_handle_resources` and the
//! handlers of each kind; include/linux/remoteproc.h for the structures).

use std::fs::File;

use super::bytes::Bytes;
use super::elf::Section;
use super::span::Span;

/// The largest table that is read, in bytes: real ones have some 100.
const LIMIT: u64 = 1 << 20;

/// The most entries that are looked at: real tables have some 5.
const ENTRIES: u64 = 1024;

/// Bytes of `struct resource_table`, without its offsets.
const HEADER: u64 = 16;

/// Bytes of a name.
const NAME: usize = 32;

/// Bytes of `struct fw_rsc_vdev` without its vrings, and of one of those.
const DEVICE: u64 = 24;
const RING: u64 = 20;

/// `FW_RSC_ADDR_ANY`: the kernel chooses.
const ANY: u64 = 0xffff_ffff;

/// A table whose header is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceTable {
    /// Where the kernel writes it back to, if the processor has memory there.
    pub memory: Span,
    /// What it asks for.
    pub entries: Vec<Entry>,
    /// What the kernel refuses in it, a sentence each.
    pub problems: Vec<String>,
    /// What the kernel may refuse, by what the processor has.
    pub doubts: Vec<String>,
}

/// Something that a firmware asks for; each vring of a device counts as one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its place in the table, from 0 on.
    pub number: u64,
    /// `carveout`, `devmem`, `trace`, `vdev`, `vring`, else `type` with its number.
    pub kind: String,
    /// What it is called; of a device its number in the virtio specification, of a vring that in its device.
    pub name: String,
    /// Where, as the processor sees it; `None` where the kernel chooses, or it has no place.
    pub address: Option<u64>,
    /// Bytes; 0 for what has none.
    pub size: u64,
}

impl ResourceTable {
    /// Whether the firmware has to read what the kernel writes into it: where its vrings are.
    pub fn is_answered(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == "vdev")
    }
}

/// Reads the table in a firmware of `size` bytes.
///
/// # Errors
/// A sentence on why the kernel takes it for none.
pub(super) fn read(file: &File, size: u64, section: &Section) -> Result<ResourceTable, String> {
    let length = section.memory.size;
    if section.offset.checked_add(length).is_none_or(|end| end > size) {
        return Err("has a resource table that ends behind the file: it is cut off".to_owned());
    }
    if length > LIMIT {
        return Err(format!("has a resource table of more than {} MiB", LIMIT >> 20));
    }
    let table =
        Bytes::read(file, section.offset, length).ok_or("has a resource table that cannot be read")?;
    if length < HEADER {
        return Err(format!("has a resource table of {length} bytes: its header alone has {HEADER}"));
    }
    let (version, count) = (table.u32(0), table.u32(4));
    if version != 1 {
        return Err(format!("has a resource table of version {version}: it must be 1"));
    }
    if table.u64(8) != 0 {
        return Err("has a resource table whose reserved words are not zero".to_owned());
    }
    if HEADER.saturating_add(count.saturating_mul(4)) > length {
        return Err(format!("has a resource table that ends inside its list of {count} entries"));
    }
    if count > ENTRIES {
        return Err(format!("has a resource table of more than {ENTRIES} entries"));
    }
    let mut read = ResourceTable {
        memory: section.memory,
        entries: Vec::new(),
        problems: Vec::new(),
        doubts: Vec::new(),
    };
    for number in 0..count {
        let at = table.word(HEADER, number);
        // The kernel takes the offset for a signed number, and one that is negative for a good one.
        match length.checked_sub(at).and_then(|left| left.checked_sub(4)) {
            Some(left) => read.entry(&table, number, at, left),
            None => read.problem(number, "lies behind its end"),
        }
    }
    Ok(read)
}

impl ResourceTable {
    fn problem(&mut self, number: u64, problem: &str) {
        self.problems.push(format!("entry {number} of the resource table {problem}"));
    }

    /// The entry at `at`, with `left` bytes behind its type.
    fn entry(&mut self, table: &Bytes, number: u64, at: u64, left: u64) {
        // Whatever fields it has lie behind the type.
        let rest = at.saturating_add(4);
        let word = |index: u64| table.word(rest, index);
        let (kind, fixed, reserved, name) = match table.u32(at) {
            0 => ("carveout", 52, word(4), 20),
            1 => ("devmem", 52, word(4), 20),
            2 => ("trace", 44, word(2), 12),
            3 => return self.device(table, number, rest, left),
            other => {
                // Types of vendors, and ones that only a later kernel knows, are passed over with a warning.
                let kind = format!("type {other}");
                return self.entries.push(Entry {
                    number,
                    kind,
                    name: String::new(),
                    address: None,
                    size: 0,
                });
            }
        };
        if left < fixed {
            return self.problem(number, &format!("({kind}) is cut off"));
        }
        if reserved != 0 {
            self.problem(number, &format!("({kind}) has reserved bytes that are not zero"));
        }
        let name = table.text(rest.saturating_add(name), NAME);
        let size = if kind == "trace" { word(1) } else { word(2) };
        let same = |entry: &Entry| entry.kind == "carveout" && entry.name == name;
        if kind == "carveout" && self.entries.iter().any(same) {
            self.problem(number, &format!("(carveout) has the name {name:?} of an earlier one"));
        }
        if kind == "devmem" {
            self.doubts.push(format!(
                "entry {number} of the resource table (devmem) is refused unless the processor is behind an IOMMU"
            ));
        }
        self.entries.push(Entry { number, kind: kind.to_owned(), name, address: place(word(0)), size });
    }

    fn device(&mut self, table: &Bytes, number: u64, at: u64, left: u64) {
        if left < DEVICE {
            return self.problem(number, "(vdev) is cut off");
        }
        let word = |index: u64| table.word(at, index);
        let (config, count) = (word(4), table.u8(at.saturating_add(21)));
        let rings = at.saturating_add(DEVICE);
        if DEVICE.saturating_add(count.saturating_mul(RING)).saturating_add(config) > left {
            return self.problem(number, "(vdev) is cut off");
        }
        if table.u16(at.saturating_add(22)) != 0 {
            self.problem(number, "(vdev) has reserved bytes that are not zero");
        }
        if count > 2 {
            self.problem(number, &format!("(vdev) has {count} vrings: the kernel takes at most 2"));
        }
        // VIRTIO_ID_RPMSG (include/uapi/linux/virtio_ids.h).
        let name = if word(0) == 7 { "rpmsg".to_owned() } else { format!("virtio {}", word(0)) };
        self.entries.push(Entry { number, kind: "vdev".to_owned(), name, address: None, size: config });
        for ring in 0..count {
            let at = rings.saturating_add(ring.saturating_mul(RING));
            let (align, buffers) = (table.word(at, 1), table.word(at, 2));
            let size = vring_size(buffers, align).filter(|_| buffers > 0);
            let Some(size) = size else {
                let what =
                    format!("(vdev) has a vring ({ring}) of {buffers} buffers, aligned to {align} bytes");
                self.problem(number, &what);
                continue;
            };
            let (kind, name) = ("vring".to_owned(), ring.to_string());
            self.entries.push(Entry { number, kind, name, address: place(table.word(at, 0)), size });
        }
    }
}

fn place(address: u64) -> Option<u64> {
    Some(address).filter(|address| *address != ANY)
}

/// Bytes of a vring (include/uapi/linux/virtio_ring.h, `vring_size`); `None` where it is aligned to nothing.
fn vring_size(buffers: u64, align: u64) -> Option<u64> {
    let descriptors_and_available = buffers.saturating_mul(18).saturating_add(6);
    let used = buffers.saturating_mul(8).saturating_add(6);
    descriptors_and_available.checked_next_multiple_of(align)?.checked_add(used)
}
