//! For build systems: the same as one object, described in docs/check.md.

use serde_json::Value;

use super::subject::Subject;
use crate::json::{self, path, text, texts};

pub fn object(subject: &Subject) -> Value {
    let (seen, elf) = (&subject.seen, subject.seen.elf.as_ref());
    let segments = elf.iter().flat_map(|elf| &elf.segments).enumerate().map(|(index, segment)| {
        json::object(vec![
            ("number", segment.number.into()),
            ("holds", segment.holds().into()),
            ("address", segment.memory.address.into()),
            ("memorySize", segment.memory.size.into()),
            ("fileSize", segment.file_size.into()),
            ("flags", segment.flags_text().into()),
            ("window", subject.window_of(index).into()),
        ])
    });
    let windows = subject.windows().map(|(window, used)| {
        json::object(vec![
            ("name", text(&window.name)),
            ("address", window.address.into()),
            ("system", window.system.into()),
            ("size", window.size.into()),
            ("reserved", window.reserved.into()),
            ("used", used.into()),
        ])
    });
    let findings = seen
        .findings
        .iter()
        .map(|found| json::object(vec![("level", found.level.word().into()), ("text", text(&found.text))]));
    json::object(vec![
        (
            "file",
            json::object(vec![
                ("path", path(subject.image.path())),
                ("size", subject.image.size().into()),
                ("class", elf.map(|elf| elf.class).into()),
                ("machine", elf.map(|elf| elf.machine.to_string()).into()),
                ("entry", elf.map(|elf| elf.entry).into()),
            ]),
        ),
        ("board", board(subject)),
        ("processor", processor(subject)),
        ("segments", segments.collect()),
        ("windows", windows.collect()),
        ("reservedMemory", reserved(subject)),
        ("resourceTable", resources(subject)),
        ("findings", findings.collect()),
        ("notes", texts(&subject.notes)),
        ("hints", subject.profile.as_ref().map_or(Value::Array(Vec::new()), |profile| texts(&profile.hints))),
        ("fits", subject.fits().into()),
    ])
}

fn board(subject: &Subject) -> Value {
    let Some(board) = &subject.board else { return Value::Null };
    json::object(vec![
        ("name", text(&board.profile.name)),
        ("description", text(&board.profile.description)),
        ("origin", board.origin.to_string().into()),
    ])
}

fn processor(subject: &Subject) -> Value {
    let Some(profile) = &subject.profile else { return Value::Null };
    json::object(vec![("alias", text(profile.alias())), ("names", texts(&profile.names))])
}

fn reserved(subject: &Subject) -> Value {
    let Some(regions) = &subject.reserved else { return Value::Null };
    let regions = regions.iter();
    regions
        .map(|region| json::object(vec![("system", region.address.into()), ("size", region.size.into())]))
        .collect()
}

fn resources(subject: &Subject) -> Value {
    let Some(table) = &subject.seen.table else { return Value::Null };
    let entries = table.entries.iter().map(|entry| {
        json::object(vec![
            ("entry", entry.number.into()),
            ("kind", text(&entry.kind)),
            ("name", text(&entry.name)),
            ("address", entry.address.into()),
            ("size", entry.size.into()),
        ])
    });
    json::object(vec![
        ("address", table.memory.address.into()),
        ("size", table.memory.size.into()),
        ("entries", entries.collect()),
    ])
}
