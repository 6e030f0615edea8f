//! For build systems: the same as one object, described in docs/check.md.

use serde_json::{Map, Value};

use super::subject::Subject;

pub fn object(subject: &Subject) -> Value {
    let (seen, elf) = (&subject.seen, subject.seen.elf.as_ref());
    let segments = elf.iter().flat_map(|elf| &elf.segments).enumerate().map(|(index, segment)| {
        of(vec![
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
        of(vec![
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
        .map(|found| of(vec![("level", found.level.word().into()), ("text", text(&found.text))]));
    of(vec![
        (
            "file",
            of(vec![
                ("path", text(&subject.image.path().to_string_lossy())),
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
    of(vec![
        ("name", text(&board.profile.name)),
        ("description", text(&board.profile.description)),
        ("origin", board.origin.to_string().into()),
    ])
}

fn processor(subject: &Subject) -> Value {
    let Some(profile) = &subject.profile else { return Value::Null };
    of(vec![("alias", text(profile.alias())), ("names", texts(&profile.names))])
}

fn reserved(subject: &Subject) -> Value {
    let Some(regions) = &subject.reserved else { return Value::Null };
    let regions = regions.iter();
    regions.map(|region| of(vec![("system", region.address.into()), ("size", region.size.into())])).collect()
}

fn resources(subject: &Subject) -> Value {
    let Some(table) = &subject.seen.table else { return Value::Null };
    let entries = table.entries.iter().map(|entry| {
        of(vec![
            ("entry", entry.number.into()),
            ("kind", text(&entry.kind)),
            ("name", text(&entry.name)),
            ("address", entry.address.into()),
            ("size", entry.size.into()),
        ])
    });
    of(vec![
        ("address", table.memory.address.into()),
        ("size", table.memory.size.into()),
        ("entries", entries.collect()),
    ])
}

/// An object. Not by the macro json, which writes an insertion for each key.
fn of(pairs: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    for (key, value) in pairs {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(texts: &[String]) -> Value {
    texts.iter().map(|own| text(own)).collect()
}
