//! What must hold in a profile beyond its syntax: one rule a function, named after what it asks for.

use super::profile::{BoardProfile, ProcessorProfile, Window};

type Rule = fn(&BoardProfile) -> Result<(), String>;

/// All of them, by the names that boards/README.md explains.
const RULES: [(&str, Rule); 7] = [
    ("board-name", board_name),
    ("compatible", compatible),
    ("aliases", aliases),
    ("names", names),
    ("windows", windows),
    ("order", order),
    ("hints", hints),
];

/// Checks all rules.
///
/// # Errors
/// The first that does not hold, with its name.
pub(super) fn check(board: &BoardProfile) -> Result<(), String> {
    RULES
        .iter()
        .try_for_each(|(name, rule)| rule(board).map_err(|problem| format!("{problem} (rule {name})")))
}

/// The longest name of a board or alias, in bytes.
const NAME: usize = 32;

fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= NAME && !text.is_empty() && text.bytes().all(good) && !text.starts_with('-')
}

fn board_name(board: &BoardProfile) -> Result<(), String> {
    match is_name(&board.name) {
        true => Ok(()),
        false => {
            Err(format!("name {:?} must be lower-case letters, digits and -, at most {NAME}", board.name))
        }
    }
}

/// As a device tree has them, so that they are found in one, and in a profile that was not read yet.
fn compatible(board: &BoardProfile) -> Result<(), String> {
    if board.compatible.is_empty() {
        return Err("compatible must have at least one string".to_owned());
    }
    let good = |text: &&String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b",.-_+#".contains(&b));
    match board.compatible.iter().find(|text| !good(text)) {
        Some(text) => Err(format!("compatible {text:?} cannot be in a device tree")),
        None => Ok(()),
    }
}

/// An alias means one processor, and not another one's kernel name.
fn aliases(board: &BoardProfile) -> Result<(), String> {
    for (index, processor) in board.processors.iter().enumerate() {
        for alias in &processor.aliases {
            if !is_name(alias) {
                return Err(of(
                    processor,
                    &format!("alias {alias:?} must be lower-case letters, digits and -"),
                ));
            }
            let others = board.processors.iter().enumerate().filter(|(other, _)| *other != index);
            for (_, other) in others {
                if other.aliases.contains(alias) || other.names.contains(alias) {
                    return Err(of(
                        processor,
                        &format!("alias {alias:?} is a name of {} too", other.alias()),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// A processor that the kernel shows is described once.
fn names(board: &BoardProfile) -> Result<(), String> {
    for (index, processor) in board.processors.iter().enumerate() {
        if processor.names.is_empty() {
            return Err(of(processor, "names must have at least one string"));
        }
        for other in board.processors.iter().take(index) {
            let shared = processor.names.iter().find(|name| other.names.contains(name));
            let told_apart =
                processor.device.is_some() && other.device.is_some() && processor.device != other.device;
            if let (Some(name), false) = (shared, told_apart) {
                let problem =
                    format!("name {name:?} belongs to {} too: tell them apart by device", other.alias());
                return Err(of(processor, &problem));
            }
        }
    }
    Ok(())
}

fn windows(board: &BoardProfile) -> Result<(), String> {
    each_window(board, |window| {
        let name = &window.name;
        if window.size == 0 {
            return Err(format!("window {name} is empty"));
        }
        match window.address.checked_add(window.size).and(window.system.checked_add(window.size)) {
            Some(_) => Ok(()),
            None => Err(format!("window {name} ends behind the last address")),
        }
    })
}

fn order(board: &BoardProfile) -> Result<(), String> {
    for processor in &board.processors {
        let mut seen = vec![processor.alias()];
        let mut at = processor;
        while let Some(after) = &at.after {
            at = board
                .processor(after)
                .ok_or_else(|| of(processor, &format!("after {after:?} is no alias of this board")))?;
            if seen.contains(&at.alias()) {
                return Err(of(processor, "comes after itself"));
            }
            seen.push(at.alias());
        }
    }
    Ok(())
}

/// They are shown behind `hint: `.
fn hints(board: &BoardProfile) -> Result<(), String> {
    let ends = |hint: &String| hint.ends_with('.');
    match board.processors.iter().find(|processor| processor.hints.iter().any(ends)) {
        Some(processor) => Err(of(processor, "hints end without a full stop")),
        None => Ok(()),
    }
}

fn each_window(board: &BoardProfile, check: impl Fn(&Window) -> Result<(), String>) -> Result<(), String> {
    for processor in &board.processors {
        for window in processor.windows.iter().flatten() {
            check(window).map_err(|problem| of(processor, &problem))?;
        }
    }
    Ok(())
}

fn of(processor: &ProcessorProfile, problem: &str) -> String {
    format!("processor {}: {problem}", processor.alias())
}
