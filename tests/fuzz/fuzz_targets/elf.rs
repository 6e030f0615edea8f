//! A firmware and a processor. What has no error the kernel can load without reading behind the file, and what is placed
//! in a window lies there, or in memory that the firmware asks for.
//!
//! The input: a byte of options, then windows and reserved regions, then the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remoteproc_runtime::board::{Machine, ProcessorProfile, Region, Window};
use remoteproc_runtime::firmware::{Level, ResourceTable, Span, examine};
use remoteproc_runtime_fuzz::{Input, image};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (options, counts) = (input.byte(), input.byte());
    let windows: Vec<Window> = (0..counts & 3).map(|_| window(&mut input)).collect();
    let regions: Vec<Region> =
        (0..(counts >> 2) & 3).map(|_| Region { address: input.number(), size: input.number() }).collect();
    let profile = ProcessorProfile {
        aliases: vec!["m4".to_owned()],
        machine: (options & 1 != 0).then_some(Machine(40)),
        class: [None, Some(32), Some(64), None][usize::from(options >> 1 & 3)],
        windows: (counts & 0x40 == 0).then_some(windows),
        refuses_full_windows: options & 8 != 0,
        needs_resource_table: [None, Some(true), Some(false), None][usize::from(options >> 4 & 3)],
        ..ProcessorProfile::default()
    };
    let profile = (options & 0x40 == 0).then_some(&profile);
    let reserved = (options & 0x80 == 0).then_some(&regions[..]);
    let file = input.0;
    let seen = examine(&image(file), profile, reserved);

    assert!(seen.findings.is_sorted_by_key(|finding| finding.level));
    let fits = seen.errors().next().is_none();
    assert_eq!(fits, seen.findings.iter().all(|finding| finding.level != Level::Error));
    if fits {
        can_be_loaded(file).unwrap();
    }
    let Some(elf) = &seen.elf else {
        assert!(!fits);
        return;
    };
    assert!(elf.segments.iter().all(|segment| segment.memory.size > 0));
    let Some(windows) = profile.and_then(|profile| profile.windows.as_ref()) else {
        assert!(seen.placed.is_empty());
        return;
    };
    assert_eq!(seen.placed.len(), elf.segments.len());
    for (place, segment) in seen.placed.iter().zip(&elf.segments) {
        assert!(place.is_some() || !fits || asked_for(seen.table.as_ref(), segment.memory));
        let window = place.map(|index| &windows[index]);
        assert!(window.is_none_or(|window| lies_in(segment.memory, window.address, window.size)));
    }
});

fn window(input: &mut Input<'_>) -> Window {
    let (address, size, system) = (input.number(), input.number(), input.number());
    Window { name: "W".to_owned(), address, size, system, reserved: input.byte() & 1 != 0 }
}

/// Whether the firmware's own table asks for memory there, which takes what no window does.
fn asked_for(table: Option<&ResourceTable>, memory: Span) -> bool {
    let entries = table.map_or(&[][..], |table| &table.entries);
    entries
        .iter()
        .filter(|entry| entry.kind == "carveout")
        .any(|entry| entry.address.is_some_and(|address| lies_in(memory, address, entry.size)))
}

fn lies_in(memory: Span, address: u64, size: u64) -> bool {
    let end = |address: u64, size: u64| u128::from(address) + u128::from(size);
    memory.address >= address && end(memory.address, memory.size) <= end(address, size)
}

/// What drivers/remoteproc/remoteproc_elf_loader.c reads of a file, in numbers that cannot overflow; `None` where it would
/// refuse it, or read behind its end.
fn can_be_loaded(file: &[u8]) -> Option<()> {
    let number = |at: u128, bytes: u128| -> Option<u128> {
        let field = file.get(usize::try_from(at).ok()?..usize::try_from(at + bytes).ok()?)?;
        Some(field.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte)))
    };
    (file.get(..4)? == b"\x7fELF" && number(5, 1)? == 1).then_some(())?;
    let wide = match number(4, 1)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let pick = |narrow: u128, wider: u128| if wide { wider } else { narrow };
    let word = pick(4, 8);
    let (programs, sections) = (number(pick(28, 32), word)?, number(pick(32, 40), word)?);
    let (count, section_size) = (number(pick(44, 56), 2)?, pick(40, 64));
    (sections + section_size <= file.len() as u128 && count > 0).then_some(())?;
    for index in 0..count {
        let at = programs + index * pick(32, 56);
        let field = |narrow: u128, wider: u128| number(at + pick(narrow, wider), word);
        let (offset, in_file, in_memory) = (field(4, 8)?, field(16, 32)?, field(20, 40)?);
        if number(at, 4)? == 1 && in_memory > 0 {
            (in_file <= in_memory && offset + in_file <= file.len() as u128).then_some(())?;
        }
    }
    Some(())
}
