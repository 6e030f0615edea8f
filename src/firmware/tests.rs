//! What is found in good, bad and random firmware.

use std::io::Write;

use simulated_board::FirmwareBuilder;

use super::*;
use crate::board::{Machine, ProcessorProfile, Region, Window};

const BLINK: &[u8] = include_bytes!("../../tests/firmware/blink.elf");
const RPMSG: &[u8] = include_bytes!("../../tests/firmware/rpmsg.elf");
const BARE: &[u8] = include_bytes!("../../tests/firmware/bare.elf");

fn window(name: &str, address: u64, size: u64) -> Window {
    Window { name: name.to_owned(), address, size, system: address, reserved: false }
}

/// A Cortex-M with all its memory known.
fn m4() -> ProcessorProfile {
    ProcessorProfile {
        aliases: vec!["m4".to_owned()],
        machine: Some(Machine(40)),
        class: Some(32),
        windows: Some(vec![window("RAM", 0, 0x1_0000), window("SRAM", 0x1000_0000, 0x6_0000)]),
        needs_resource_table: Some(false),
        ..ProcessorProfile::default()
    }
}

fn examined(bytes: &[u8], profile: Option<&ProcessorProfile>, reserved: Option<&[Region]>) -> Examination {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    examine(&FirmwareImage::open_file(file.path()).unwrap(), profile, reserved)
}

/// The findings, a line each.
fn found(bytes: &[u8], profile: Option<&ProcessorProfile>, reserved: Option<&[Region]>) -> Vec<String> {
    let seen = examined(bytes, profile, reserved);
    seen.findings.iter().map(|found| format!("{}: {}", found.level.word(), found.text)).collect()
}

#[track_caller]
fn finds(bytes: &[u8], profile: &ProcessorProfile, expected: &[&str]) {
    assert_eq!(found(bytes, Some(profile), None), expected);
}

fn patched(elf: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut elf = elf.to_vec();
    elf[at..at + bytes.len()].copy_from_slice(bytes);
    elf
}

fn code() -> FirmwareBuilder {
    FirmwareBuilder::new().segment(0x1000_0000, &[1; 0x40])
}

#[test]
fn real_firmware_fits_and_is_read_whole() {
    for firmware in [BLINK, RPMSG, BARE] {
        finds(firmware, &m4(), &[]);
    }
    let seen = examined(RPMSG, Some(&m4()), None);
    let (elf, table) = (seen.elf.unwrap(), seen.table.unwrap());
    assert_eq!((elf.class, elf.machine, elf.segments[0].holds()), (32, Machine(40), "data"));
    assert_eq!(seen.placed.len(), elf.segments.len());
    let kinds: Vec<&str> = table.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert!(kinds.windows(3).any(|kinds| kinds == ["vdev", "vring", "vring"]), "{kinds:?}");
    assert!(table.is_answered() && table.entries.iter().any(|entry| entry.name == "rpmsg"), "{table:?}");
}

#[test]
fn what_the_kernel_refuses_is_found_without_a_profile() {
    for (firmware, reason) in [
        (Vec::new(), "too small"),
        (b"\x7fELF".to_vec(), "too small"),
        (vec![b'x'; 4096], "not an ELF"),
        (BLINK[..40].to_vec(), "inside its ELF header"),
        (patched(BLINK, 4, &[7]), "class"),
        (patched(BLINK, 5, &[2]), "big-endian"),
        (patched(BLINK, 32, &[0xff; 4]), "section headers"),
        (patched(BLINK, 44, &[0, 0]), "no program headers"),
        (patched(BLINK, 42, &[31, 0]), "program headers of 31 bytes"),
        (patched(BLINK, 28, &[0xff; 4]), "inside its program headers"),
        (patched(BLINK, 44, &[0xff, 0xff]), "inside its program headers"),
        (patched(BLINK, 52 + 4, &[0xff; 4]), "inside its segment number 0"),
        (patched(BLINK, 52 + 16, &[0xff; 4]), "more bytes in the file"),
        (patched(BLINK, 48, &[0xff, 0xff]), "inside its section headers"),
        (patched(BLINK, 50, &[0xff, 0xff]), "no table of section names"),
    ] {
        let found = found(&firmware, None, None);
        assert!(found[0].starts_with("error: ") && found[0].contains(reason), "{reason}: {found:?}");
    }
}

#[test]
fn section_names_outside_the_file_are_an_error_before_the_kernel_reads_there() {
    let elf = code().resource_table().build();
    let sections = u32::from_le_bytes(elf[32..36].try_into().unwrap()) as usize;
    // The name of the third section; then where the second, which holds the names, is in the file.
    for at in [sections + 2 * 40, sections + 40 + 16] {
        let found = found(&patched(&elf, at, &[0xff; 4]), Some(&m4()), None);
        assert!(found[0].contains("outside the file"), "{found:?}");
    }
}

#[test]
fn each_segment_must_lie_wholly_in_one_window() {
    let at = |address: u64, size: usize| FirmwareBuilder::new().data(address, &vec![0; size]).build();
    for (address, size) in [(0, 0x1_0000), (0x1005_ffff, 1)] {
        finds(&at(address, size), &m4(), &[]);
    }
    for (firmware, range, near) in [
        (at(0xffff, 2), "0x0000_ffff-0x0001_0000", "RAM (0x0000_0000-0x0000_ffff)"),
        (at(0x1005_ffc1, 0x40), "0x1005_ffc1-0x1006_0000", "SRAM (0x1000_0000-0x1005_ffff)"),
        (at(0x2000_0000, 4), "0x2000_0000-0x2000_0003", "SRAM (0x1000_0000-0x1005_ffff)"),
        (at(0x2_0000, 4), "0x0002_0000-0x0002_0003", "RAM (0x0000_0000-0x0000_ffff)"),
        (at(0xffff_fffc, 8), "0xffff_fffc-0x1_0000_0003", "SRAM (0x1000_0000-0x1005_ffff)"),
    ] {
        let text = format!(
            "error: segment 0 (data, {range}) does not lie wholly in a window of m4; the nearest is {near}"
        );
        finds(&firmware, &m4(), &[&text]);
    }
    // Two windows that touch are still two.
    let touching =
        ProcessorProfile { windows: Some(vec![window("A", 0, 0x100), window("B", 0x100, 0x100)]), ..m4() };
    assert_eq!(found(&at(0xf0, 0x20), Some(&touching), None).len(), 1);
    let none = ProcessorProfile { windows: Some(Vec::new()), ..m4() };
    assert!(
        found(&at(0, 4), Some(&none), None)[0].ends_with("cannot be loaded: m4 has no memory for firmware")
    );
}

#[test]
fn all_is_found_and_errors_come_first() {
    let profile = ProcessorProfile { class: None, ..m4() };
    let firmware = FirmwareBuilder::new().machine(243).segment(0x5000_0000, &[0; 4]).segment(0, &[0; 4]);
    let found = found(&firmware.segment(0x6000_0000, &[0; 4]).build(), Some(&profile), None);
    assert_eq!(found[0], "error: is for riscv, and m4 is arm");
    assert!(found[1].starts_with("error: segment 0 (code, 0x5000_0000-0x5000_0003) "), "{found:?}");
    assert!(found[2].starts_with("error: segment 2 (code, 0x6000_0000-0x6000_0003) "), "{found:?}");
    assert_eq!(found[3], "warning: the profile of m4 does not tell the class: not compared");
}

#[test]
fn a_full_window_is_refused_where_the_driver_does() {
    let strict = ProcessorProfile { refuses_full_windows: true, ..m4() };
    let firmware = |size| FirmwareBuilder::new().segment(0, &vec![0; size]).build();
    finds(&firmware(0xffff), &strict, &[]);
    finds(
        &firmware(0x1_0000),
        &strict,
        &[
            "error: segment 0 (code, 0x0000_0000-0x0000_ffff) ends where window RAM (0x0000_0000-0x0000_ffff) does, \
           and the driver refuses what fills a window to its end",
        ],
    );
    // Where another window takes it, all is well.
    let mut alias = strict;
    alias.windows.as_mut().unwrap().push(window("alias", 0, 0x2_0000));
    finds(&firmware(0x1_0000), &alias, &[]);
}

#[test]
fn reserved_windows_take_what_the_device_tree_reserves() {
    let ddr = Window { system: 0x8000_0000, reserved: true, ..window("DDR", 0x1000_0000, 0x1000_0000) };
    let profile = ProcessorProfile { windows: Some(vec![ddr]), refuses_full_windows: true, ..m4() };
    let firmware = FirmwareBuilder::new().segment(0x1010_0000, &[0; 0x1000]).build();
    let region = |address, size| Region { address, size };
    let with = |regions: &[Region]| found(&firmware, Some(&profile), Some(regions));
    assert!(with(&[region(0x9000_0000, 0x1000), region(0x8010_0000, 0x1000)]).is_empty());
    let in_vain = with(&[region(0x8010_0000, 0xfff), region(0x9000_0000, 0x1000)]);
    assert_eq!(
        in_vain,
        [
            "error: segment 0 (code, 0x1010_0000-0x1010_0fff) lies in DDR (0x1000_0000-0x1fff_ffff), but not wholly in \
          memory that the device tree reserves for the processor: 0x1010_0000-0x1010_0ffe"
        ]
    );
    assert!(with(&[])[0].ends_with("of which the device tree reserves nothing for the processor"));
    assert_eq!(
        found(&firmware, Some(&profile), None),
        ["note: only the board tells whether its device tree reserves the memory used in DDR"]
    );
}

#[test]
fn a_carve_out_of_the_firmware_is_memory_too() {
    let name = [b'c'; 32];
    let carve_out = |address| {
        let firmware = FirmwareBuilder::new().segment(0x5000_0000, &[0; 4]);
        found(&firmware.entry(0, &[address, 0, 0x1000, 0, 0], &name).build(), Some(&m4()), None)
    };
    assert!(
        carve_out(0x5000_0000)[0].starts_with("warning: segment 0 (code, 0x5000_0000-0x5000_0003) goes to")
    );
    assert!(carve_out(0x5000_1000)[0].starts_with("error: segment 0"));
    assert!(carve_out(u32::MAX)[0].starts_with("error: segment 0"));
}

#[test]
fn machine_and_class_are_compared_where_they_are_known() {
    finds(&code().machine(94).build(), &m4(), &["error: is for xtensa, and m4 is arm"]);
    finds(&code().machine(7).build(), &m4(), &["error: is for machine 7, and m4 is arm"]);
    finds(&code().wide().build(), &m4(), &["error: has 64 bits, and m4 takes 32"]);
    let silent = ProcessorProfile { aliases: vec!["dsp".to_owned()], ..ProcessorProfile::default() };
    finds(
        &code().machine(94).wide().build(),
        &silent,
        &[
            "warning: the profile of dsp does not tell the machine, the class, whether there must be a resource table, \
           where there is memory: not compared",
        ],
    );
    assert!(found(&code().build(), None, None)[0].starts_with("note: no board profile knows the processor"));
    assert_eq!(found(b"no ELF file at all", None, None).len(), 1, "nothing that could have been compared");
}

/// What the kernel says of a resource table's header, with bytes of one.
fn bad_headers() -> Vec<(&'static str, Vec<u8>)> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    vec![
        ("a resource table of 0 bytes", Vec::new()),
        ("a resource table of 15 bytes", words(&[1, 0, 0, 0])[..15].to_vec()),
        ("version 0", words(&[0, 0, 0, 0])),
        ("version 2", words(&[2, 0, 0, 0])),
        ("reserved words are not zero", words(&[1, 0, 1, 0])),
        ("reserved words are not zero", words(&[1, 0, 0, 1])),
        ("inside its list of 1 entries", words(&[1, 1, 0, 0])),
        ("inside its list of 4294967295 entries", words(&[1, u32::MAX, 0, 0])),
        ("of more than 1024 entries", words(&[&[1, 1025, 0, 0][..], &[16; 1025]].concat())),
        ("of more than 1 MiB", vec![0; (1 << 20) + 1]),
    ]
}

#[test]
fn a_table_that_the_kernel_takes_for_none_matters_where_there_must_be_one() {
    let needing = ProcessorProfile { needs_resource_table: Some(true), ..m4() };
    let unknown = ProcessorProfile { needs_resource_table: None, ..m4() };
    finds(
        &code().build(),
        &needing,
        &["error: has no resource table, and the driver takes no firmware without"],
    );
    finds(&code().resource_table().build(), &needing, &[]);
    finds(&code().build(), &m4(), &[]);
    for (words, table) in bad_headers() {
        let firmware = code().raw_table(&table).build();
        for (profile, level) in [(&needing, "error: "), (&unknown, "error: "), (&m4(), "warning: ")] {
            let found = found(&firmware, Some(profile), None);
            assert!(found[0].starts_with(level) && found[0].contains(words), "{words}: {found:?}");
        }
    }
    // A section that ends behind the file: its size is in the third header.
    let firmware = code().resource_table().build();
    let sections = u32::from_le_bytes(firmware[32..36].try_into().unwrap()) as usize;
    let cut = patched(&firmware, sections + 2 * 40 + 20, &[0xff, 0xff, 0, 0]);
    assert!(found(&cut, Some(&needing), None)[0].contains("ends behind the file"));
}

#[test]
fn each_entry_must_be_as_the_kernel_wants_it() {
    let name = [0; 32];
    let ring = [u32::MAX, 4096, 16, 0, 0];
    let device = |count: u32, rings: usize| [&[7, 0, 0, 0, 0, count << 8][..], &ring.repeat(rings)].concat();
    for (kind, words, bytes, problem) in [
        (0, vec![0; 5], &name[..31], "(carveout) is cut off"),
        (0, vec![0, 0, 0, 0, 1], &name, "(carveout) has reserved bytes that are not zero"),
        (1, vec![0; 5], &name[..31], "(devmem) is cut off"),
        (1, vec![0, 0, 0, 0, 1], &name, "(devmem) has reserved bytes that are not zero"),
        (2, vec![0; 3], &name[..31], "(trace) is cut off"),
        (2, vec![0, 0, 1], &name, "(trace) has reserved bytes that are not zero"),
        (3, vec![7, 0, 0, 0, 0], &name[..3], "(vdev) is cut off"),
        (3, device(2, 1), &[], "(vdev) is cut off"),
        (3, vec![7, 0, 0, 0, 1, 0], &[], "(vdev) is cut off"),
        (3, vec![7, 0, 0, 0, u32::MAX, 0], &[], "(vdev) is cut off"),
        (3, vec![7, 0, 0, 0, 0, 1 << 16], &[], "(vdev) has reserved bytes that are not zero"),
        (3, device(3, 3), &[], "(vdev) has 3 vrings: the kernel takes at most 2"),
        (
            3,
            [&device(1, 0)[..], &[0, 0, 16, 0, 0]].concat(),
            &[],
            "a vring (0) of 16 buffers, aligned to 0 bytes",
        ),
        (
            3,
            [&device(1, 0)[..], &[0, 4, 0, 0, 0]].concat(),
            &[],
            "a vring (0) of 0 buffers, aligned to 4 bytes",
        ),
    ] {
        let firmware = code().resource_table().entry(kind, &words, bytes).build();
        let found = found(&firmware, Some(&m4()), None);
        assert!(found[0].starts_with("error: entry 0 of the resource table "), "{problem}: {found:?}");
        assert!(found[0].ends_with(problem), "{problem}: {found:?}");
    }
    let twice = code().entry(0, &[0; 5], b"same\0").entry(0, &[0; 5], &name);
    finds(
        &twice.entry(0, &[0; 5], &name).build(),
        &m4(),
        &["error: entry 2 of the resource table (carveout) has the name \"\" of an earlier one"],
    );
}

#[test]
fn offsets_of_entries_lie_inside_the_table() {
    let table = |offset: u32| {
        let words = [1, 1, 0, 0, offset, 4];
        words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
    };
    // The last word is the type of an entry without anything behind it.
    finds(&code().raw_table(&table(20)).build(), &m4(), &[]);
    for offset in [21, 24, 0x8000_0000, u32::MAX] {
        finds(
            &code().raw_table(&table(offset)).build(),
            &m4(),
            &["error: entry 0 of the resource table lies behind its end"],
        );
    }
}

#[test]
fn what_a_processor_may_not_have_is_a_warning() {
    let devmem = code().entry(1, &[0; 5], &[0; 32]).build();
    assert!(
        found(&devmem, Some(&m4()), None)[0]
            .starts_with("warning: entry 0 of the resource table (devmem) is refused unless")
    );
    // FirmwareBuilder's table is at address 0.
    let elsewhere = ProcessorProfile { windows: Some(vec![window("SRAM", 0x1000_0000, 0x1000)]), ..m4() };
    let answered = code().entry(3, &[7, 0, 0, 0, 0, 0], &[]).build();
    let found = found(&answered, Some(&elsewhere), None);
    assert!(
        found[0]
            .starts_with("warning: the processor has no memory where its resource table lies (0x0000_0000-"),
        "{found:?}"
    );
    finds(&answered, &m4(), &[]);
    finds(&code().trace(0x1000_0000, 4).build(), &elsewhere, &[]);
}

#[test]
fn a_vring_takes_what_the_kernel_computes_for_it() {
    let firmware = code().entry(3, &[7, 0, 0, 0, 0, 1 << 8, 0x1004_0000, 16, 16, 0, 0], &[]).build();
    let table = examined(&firmware, Some(&m4()), None).table.unwrap();
    // 16 descriptors, 19 half words up to the next 16 bytes, 3 half words, 16 elements.
    let size = 16 * 16 + 48 + 6 + 16 * 8;
    assert_eq!((table.entries[1].address, table.entries[1].size), (Some(0x1004_0000), size));
}

#[test]
fn the_largest_numbers_in_a_table_are_counted_as_they_are() {
    // As many vrings as fit a byte, each of as many buffers as fit a word.
    let ring = [0, u32::MAX, u32::MAX, 0, 0];
    let device = [&[7, 0, 0, 0, 0, 0xff << 8][..], &ring.repeat(255)].concat();
    let table =
        |words: &[u32]| examined(&code().entry(3, words, &[]).build(), Some(&m4()), None).table.unwrap();
    let read = table(&device);
    let (max, rings) = (u64::from(u32::MAX), read.entries.iter().filter(|entry| entry.kind == "vring"));
    // 26 bytes a buffer, of which the first 18 end at a multiple of the alignment.
    assert!(rings.clone().count() == 255 && rings.clone().all(|ring| ring.size == 19 * max + 8 * max + 6));
    assert_eq!(
        read.problems,
        ["entry 0 of the resource table (vdev) has 255 vrings: the kernel takes at most 2"]
    );
    let longest = table(&[7, 0, 0, 0, u32::MAX, 0xff << 8]);
    assert_eq!(longest.problems, ["entry 0 of the resource table (vdev) is cut off"]);
}

#[test]
fn the_largest_numbers_in_headers_are_a_file_that_is_cut_off() {
    let wide = code().resource_table().wide().build();
    let at = |at: usize| usize::try_from(u64::from_le_bytes(wide[at..at + 8].try_into().unwrap())).unwrap();
    let (programs, sections) = (at(32), at(40));
    for number in [u64::MAX, u64::MAX - 1, u64::MAX - 63, 1 << 63, u64::MAX >> 1] {
        for field in [32, 40, programs + 8, programs + 32, sections + 2 * 64 + 24, sections + 2 * 64 + 32] {
            let found = found(&patched(&wide, field, &number.to_le_bytes()), None, None);
            let cut = ["is cut off", "more bytes in the file than in memory", "behind the file"];
            assert!(cut.iter().any(|words| found[0].contains(words)), "{field}, {number:#x}: {found:?}");
        }
    }
}

#[test]
fn a_window_is_never_more_than_full() {
    let ram = window("RAM", 0x100, 0x100);
    let bytes = |sizes: &[u64]| used(&ram, sizes.iter().map(|&size| Span { address: 0x100, size }));
    assert_eq!(
        (bytes(&[]), bytes(&[0x10, 0x20]), bytes(&[0x100, 1]), bytes(&[u64::MAX; 2])),
        (0, 0x30, 0x100, 0x100)
    );
}

/// A generator of its own (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn no_prefix_no_byte_and_no_random_header_makes_it_panic() {
    let strict = ProcessorProfile { refuses_full_windows: true, ..m4() };
    let regions = [Region { address: u64::MAX, size: u64::MAX }, Region { address: 0, size: 0 }];
    let file = tempfile::NamedTempFile::new().unwrap();
    let look = |bytes: &[u8]| {
        std::fs::write(file.path(), bytes).unwrap();
        let image = FirmwareImage::open_file(file.path()).unwrap();
        examine(&image, Some(&strict), Some(&regions))
    };
    let whole = code().trace(0, 4).entry(3, &[7, 0, 0, 0, 0, 1 << 8, 0, 16, 16, 0, 0], &[]);
    for elf in [whole.clone().build(), whole.wide().build()] {
        for length in 0..elf.len() {
            look(&elf[..length]);
        }
        for at in 0..elf.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                look(&patched(&elf, at, &[byte]));
            }
        }
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..2000 {
            let mut wild = elf.clone();
            for _ in 0..8 {
                // The identification stays, else nothing behind it is read.
                let at = 6 + usize::try_from(random.next()).unwrap() % (wild.len() - 14);
                let length = 1 << (random.next() % 4);
                wild[at..at + length].copy_from_slice(&random.next().to_le_bytes()[..length]);
            }
            look(&wild);
        }
    }
}

#[test]
fn a_profile_with_extreme_numbers_makes_nothing_panic() {
    let last = Window { system: 0, reserved: true, ..window("last", u64::MAX - 1, 1) };
    let profile = ProcessorProfile { windows: Some(vec![last]), refuses_full_windows: true, ..m4() };
    for address in [0, 1, u64::MAX - 1, u64::MAX] {
        let firmware = FirmwareBuilder::new().wide().segment(address, &[0; 2]).build();
        let regions = [Region { address, size: u64::MAX }];
        assert!(!found(&firmware, Some(&profile), Some(&regions)).is_empty());
    }
}
