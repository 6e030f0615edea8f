//! For people: what is in the firmware, where it goes, and what was found.

use super::subject::{Subject, span};
use crate::commands::columns::{columns, header};
use crate::error::one_line;
use crate::firmware::{Address, window_span};

/// How many characters the bar of a window has.
const BAR: u64 = 20;

pub fn table(subject: &Subject) -> String {
    let parts = [heads(subject), segments(subject), windows(subject), resources(subject), findings(subject)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}\n{}\n", parts.join("\n"), one_line(&verdict(subject)))
}

/// The file, the processor, and what is reserved for it.
fn heads(subject: &Subject) -> String {
    let (path, size) = (subject.image.path().display(), subject.image.size());
    let file = match &subject.seen.elf {
        Some(elf) => {
            let (class, machine, entry) = (elf.class, elf.machine, Address(elf.entry));
            format!("{path}: {class}-bit ELF for {machine}, {size} bytes, entry {entry}")
        }
        None => format!("{path}: {size} bytes"),
    };
    let mut lines = vec![file];
    if let Some(board) = &subject.board {
        let profile = &board.profile;
        let (name, description, origin) = (&profile.name, &profile.description, &board.origin);
        lines.push(format!("board {name}: {description} ({origin})"));
    }
    if let Some(profile) = &subject.profile {
        lines.push(format!("processor {}: {}", profile.alias(), profile.names.join(", ")));
    }
    if let Some(reserved) = &subject.reserved {
        let spans: Vec<String> = reserved.iter().map(|region| span(region).to_string()).collect();
        let spans = if spans.is_empty() { "nothing".to_owned() } else { spans.join(", ") };
        lines.push(format!("reserved for it by this machine's device tree, as Linux sees it: {spans}"));
    }
    lines.iter().map(|line| format!("{}\n", one_line(line))).collect()
}

fn segments(subject: &Subject) -> String {
    let Some(elf) = &subject.seen.elf else { return String::new() };
    let mut rows = header(&["SEGMENT", "HOLDS", "ADDRESSES", "FILE", "MEMORY", "FLAGS", "WINDOW"]);
    rows.extend(elf.segments.iter().enumerate().map(|(index, segment)| {
        vec![
            segment.number.to_string(),
            segment.holds().to_owned(),
            segment.memory.to_string(),
            segment.file_size.to_string(),
            segment.memory.size.to_string(),
            segment.flags_text(),
            one_line(subject.window_of(index).unwrap_or("-")),
        ]
    }));
    columns(&rows)
}

fn windows(subject: &Subject) -> String {
    let mut rows = header(&["WINDOW", "ADDRESSES", "USED", "SIZE", "FULL", ""]);
    rows.extend(subject.windows().map(|(window, used)| {
        vec![
            one_line(&window.name),
            window_span(window).to_string(),
            used.to_string(),
            window.size.to_string(),
            format!("{}%", share(used, window.size, 100)),
            bar(used, window.size),
        ]
    }));
    if rows.len() == 1 { String::new() } else { columns(&rows) }
}

/// So many of `whole` parts, rounded down.
fn share(used: u64, size: u64, whole: u64) -> u64 {
    let product = u128::from(used).saturating_mul(whole.into());
    // Of nothing nothing is used.
    let share = product.checked_div(size.into()).unwrap_or(0);
    u64::try_from(share).unwrap_or(whole).min(whole)
}

/// What is used shows, however little it is.
fn bar(used: u64, size: u64) -> String {
    let marks = share(used, size, BAR).max(u64::from(used > 0));
    (0..BAR).map(|mark| if mark < marks { '#' } else { '.' }).collect()
}

fn resources(subject: &Subject) -> String {
    let Some(table) = &subject.seen.table else { return String::new() };
    let mut rows = header(&["ENTRY", "KIND", "NAME", "ADDRESS", "SIZE"]);
    rows.extend(table.entries.iter().map(|entry| {
        let address = entry.address.map_or("-".to_owned(), |address| Address(address).to_string());
        let name = if entry.name.is_empty() { "-".to_owned() } else { one_line(&entry.name) };
        vec![entry.number.to_string(), entry.kind.clone(), name, address, entry.size.to_string()]
    }));
    format!("resource table at {}, {} bytes\n{}", table.memory, table.memory.size, columns(&rows))
}

fn findings(subject: &Subject) -> String {
    let name = subject.image.name();
    let found =
        subject.seen.findings.iter().map(|found| format!("{}: {name}: {}", found.level.word(), found.text));
    let notes = subject.notes.iter().map(|note| format!("note: {note}"));
    let hints = subject.profile.iter().flat_map(|profile| &profile.hints).map(|hint| format!("hint: {hint}"));
    found.chain(notes).chain(hints).map(|line| format!("{}\n", one_line(&line))).collect()
}

fn verdict(subject: &Subject) -> String {
    let name = subject.image.name();
    let on = match (&subject.profile, &subject.board) {
        (Some(profile), Some(board)) => format!(" {} of {}", profile.alias(), board.profile.name),
        _ => ", as far as it was looked at".to_owned(),
    };
    match (subject.seen.errors().count(), subject.profile.is_some()) {
        (0, _) => format!("{name} fits{on}"),
        (1, true) => format!("{name} does not fit{on}: 1 error"),
        (errors, true) => format!("{name} does not fit{on}: {errors} errors"),
        (1, false) => format!("{name} fits no processor: 1 error"),
        (errors, false) => format!("{name} fits no processor: {errors} errors"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_what_little_is_used_and_is_full_only_when_the_window_is() {
        for (used, size, percent, marks) in
            [(0, 100, 0, 0), (1, 1000, 0, 1), (50, 100, 50, 10), (999, 1000, 99, 19), (1000, 1000, 100, 20)]
        {
            let bar = bar(used, size);
            assert_eq!((share(used, size, 100), bar.matches('#').count(), bar.len()), (percent, marks, 20));
        }
        assert_eq!(share(u64::MAX, u64::MAX, 100), 100);
        assert_eq!(share(0, 0, 100), 0);
    }
}
