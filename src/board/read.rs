//! A profile out of TOML. Unknown keys are refused: a key that is misspelt would have no effect.

use super::machine::Machine;
use super::profile::{BoardProfile, ProcessorProfile, Window};
use super::rules;
use super::toml::{self, Entry, Table, Value};
use crate::remoteproc::{Coredump, Recovery};

/// Reads and checks a profile.
///
/// # Errors
/// A sentence that names the line, or the processor and the rule.
pub fn read(text: &str) -> Result<BoardProfile, String> {
    let mut fields = Fields::of(toml::parse(text)?);
    let mut board = BoardProfile {
        name: fields.required("name", text_of)?,
        description: fields.required("description", text_of)?,
        compatible: fields.required("compatible", texts_of)?,
        processors: Vec::new(),
    };
    let tables = fields.required("processor", tables_of)?;
    fields.finish()?;
    for table in tables {
        let line = table.line;
        let processor = processor(table, &board)?;
        // Rules of one file name aliases, which a table without one has not.
        if processor.aliases.is_empty() {
            return Err(format!("line {line}: a processor needs at least one alias"));
        }
        board.processors.push(processor);
    }
    rules::check(&board)?;
    Ok(board)
}

fn processor(table: Table, board: &BoardProfile) -> Result<ProcessorProfile, String> {
    let mut fields = Fields::of(table);
    let base = match fields.optional("like", text_of)? {
        Some(like) => {
            let known = board.processor(&like).cloned();
            known.ok_or_else(|| {
                fields.problem("like", &format!("no processor {like:?} comes before this one"))
            })?
        }
        None => ProcessorProfile::default(),
    };
    let processor = ProcessorProfile {
        aliases: fields.required("aliases", texts_of)?,
        names: fields.required("names", texts_of)?,
        device: fields.optional("device", text_of)?,
        after: fields.optional("after", text_of)?,
        firmware: fields.optional("firmware", text_of)?,
        machine: fields.optional("machine", machine_of)?.or(base.machine),
        class: fields.optional("class", class_of)?.or(base.class),
        windows: fields.optional("windows", windows_of)?.or(base.windows),
        refuses_full_windows: fields
            .optional("full-windows", |value| choice_of(value, &[("refused", true), ("taken", false)]))?
            .unwrap_or(base.refuses_full_windows),
        needs_resource_table: fields
            .optional("resource-table", |value| choice_of(value, &[("required", true), ("optional", false)]))?
            .or(base.needs_resource_table),
        recovery: fields.optional("recovery", recovery_of)?.or(base.recovery),
        coredump: fields.optional("coredump", coredump_of)?.or(base.coredump),
        stop_timeout: fields.optional("stop-timeout", timeout_of)?.or(base.stop_timeout),
        hints: fields.optional("hints", texts_of)?.unwrap_or(base.hints),
    };
    fields.finish()?;
    Ok(processor)
}

fn window(table: Table) -> Result<Window, String> {
    let mut fields = Fields::of(table);
    let address = fields.required("address", number_of)?;
    let window = Window {
        address,
        name: fields.required("name", text_of)?,
        size: fields.required("size", number_of)?,
        system: fields.optional("system", number_of)?.unwrap_or(address),
        reserved: fields.optional("reserved", switch_of)?.unwrap_or(false),
    };
    fields.finish()?;
    Ok(window)
}

/// The keys of a table that have not been read yet.
struct Fields {
    line: usize,
    left: Vec<Entry>,
}

impl Fields {
    fn of(table: Table) -> Self {
        Self { line: table.line, left: table.entries }
    }

    fn optional<T>(
        &mut self,
        key: &str,
        read: impl Fn(Value) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        read(entry.value).map(Some).map_err(|problem| located(entry.line, key, problem))
    }

    // Apart, since the above is there once for each type.
    #[inline(never)]
    fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.left.iter().position(|entry| entry.key == key)?;
        Some(self.left.swap_remove(index))
    }

    fn required<T>(&mut self, key: &str, read: impl Fn(Value) -> Result<T, String>) -> Result<T, String> {
        self.optional(key, read)?.ok_or_else(|| self.problem(key, "missing"))
    }

    fn problem(&self, key: &str, problem: &str) -> String {
        format!("line {}: {key}: {problem}", self.line)
    }

    fn finish(self) -> Result<(), String> {
        match self.left.iter().min_by_key(|entry| entry.line) {
            Some(Entry { key, line, .. }) => Err(format!("line {line}: unknown key {key:?}")),
            None => Ok(()),
        }
    }
}

#[inline(never)]
fn located(line: usize, key: &str, problem: String) -> String {
    // What a table inside says begins with its own line.
    if problem.starts_with("line ") { problem } else { format!("line {line}: {key}: {problem}") }
}

fn expected<T>(what: &str, found: &Value) -> Result<T, String> {
    let kind = match found {
        Value::Text(_) => "a string",
        Value::Number(_) => "an integer",
        Value::Switch(_) => "a boolean",
        Value::List(_) => "an array",
        Value::Table(_) => "a table",
    };
    Err(format!("must be {what}, not {kind}"))
}

fn text_of(value: Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        // They are shown to people, a line each.
        Value::Text(text) if text.chars().any(char::is_control) => {
            Err("must not have control characters".to_owned())
        }
        Value::Text(text) => Ok(text),
        other => expected("a string", &other),
    }
}

fn texts_of(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::List(list) => list.into_iter().map(text_of).collect(),
        other => expected("an array of strings", &other),
    }
}

fn tables_of(value: Value) -> Result<Vec<Table>, String> {
    let table_of = |value| match value {
        Value::Table(table) => Ok(table),
        other => expected("a table", &other),
    };
    match value {
        Value::List(list) => list.into_iter().map(table_of).collect(),
        other => expected("an array of tables", &other),
    }
}

fn windows_of(value: Value) -> Result<Vec<Window>, String> {
    tables_of(value)?.into_iter().map(window).collect()
}

fn number_of(value: Value) -> Result<u64, String> {
    match value {
        Value::Number(number) => Ok(number),
        other => expected("an integer", &other),
    }
}

fn switch_of(value: Value) -> Result<bool, String> {
    match value {
        Value::Switch(on) => Ok(on),
        other => expected("a boolean", &other),
    }
}

fn choice_of<T: Copy>(value: Value, choices: &[(&str, T)]) -> Result<T, String> {
    let text = text_of(value)?;
    choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("must be {}, not {text:?}", words.join(" or "))
    })
}

fn machine_of(value: Value) -> Result<Machine, String> {
    let name = text_of(value)?;
    Machine::named(&name).ok_or_else(|| format!("must be one of {}, not {name:?}", Machine::names()))
}

fn class_of(value: Value) -> Result<u64, String> {
    match number_of(value)? {
        class @ (32 | 64) => Ok(class),
        other => Err(format!("must be 32 or 64, not {other}")),
    }
}

fn recovery_of(value: Value) -> Result<Recovery, String> {
    choice_of(value, &Recovery::WORDS)
}

fn coredump_of(value: Value) -> Result<Coredump, String> {
    choice_of(value, &Coredump::WORDS)
}

fn timeout_of(value: Value) -> Result<u32, String> {
    let seconds = number_of(value)?;
    let fits = u32::try_from(seconds).ok().filter(|seconds| (1..=3600).contains(seconds));
    fits.ok_or_else(|| format!("must be 1 to 3600 seconds, not {seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = "name = 'b'\ndescription = 'B'\ncompatible = ['v,b']\n";

    fn with(processors: &str) -> Result<BoardProfile, String> {
        read(&format!("{BOARD}{processors}"))
    }

    #[test]
    fn a_processor_takes_from_the_one_it_is_like_what_it_does_not_say() {
        let board = with(
            "[[processor]]\naliases = ['a']\nnames = ['x']\nmachine = 'arm'\nclass = 32\nfull-windows = 'refused'\n\
             resource-table = 'required'\nrecovery = 'disabled'\ncoredump = 'inline'\nstop-timeout = 3\nfirmware = 'f'\nhints = ['h']\n\
             windows = [{ name = 'w', address = 16, size = 4, system = 32, reserved = true }]\n\
             [[processor]]\naliases = ['b']\nnames = ['y']\ndevice = 'd'\nlike = 'a'\nafter = 'a'\nclass = 64\n",
        )
        .unwrap();
        let [a, b] = &board.processors[..] else { panic!("{board:?}") };
        let window = Window { name: "w".into(), address: 16, size: 4, system: 32, reserved: true };
        assert_eq!(a.windows, Some(vec![window]));
        let expected = ProcessorProfile {
            aliases: vec!["b".into()],
            names: vec!["y".into()],
            device: Some("d".into()),
            after: Some("a".into()),
            class: Some(64),
            firmware: None,
            ..a.clone()
        };
        assert_eq!(*b, expected);
        assert_eq!(
            (a.machine, a.coredump, a.stop_timeout),
            (Some(Machine(40)), Some(Coredump::Inline), Some(3))
        );
    }

    #[test]
    fn what_a_profile_must_not_say_is_refused_with_its_place() {
        let p = "[[processor]]\naliases = ['a']\nnames = ['x']\n";
        let q = "[[processor]]\naliases = ['b']\nnames = ['y']\n";
        let w = |window: &str| format!("{p}windows = [{{ {window} }}]\n");
        for (processors, words) in [
            (String::new(), "line 1: processor: missing"),
            ("x = 1\n".into(), "line 1: processor: missing"),
            (format!("x = 1\n{p}"), "line 4: unknown key \"x\""),
            (format!("{p}x = 1\n"), "line 7: unknown key \"x\""),
            ("[[processor]]\nnames = ['x']\n".into(), "line 4: aliases: missing"),
            ("[[processor]]\naliases = []\nnames = ['x']\n".into(), "line 4: a processor needs"),
            ("[[processor]]\naliases = ['']\nnames = ['x']\n".into(), "line 5: aliases: must not be empty"),
            ("[[processor]]\naliases = ['A']\nnames = ['x']\n".into(), "(rule aliases)"),
            ("[[processor]]\naliases = ['a']\nnames = []\n".into(), "(rule names)"),
            (
                "[[processor]]\naliases = ['a']\nnames = 'x'\n".into(),
                "line 6: names: must be an array of strings, not a string",
            ),
            (
                "[[processor]]\naliases = ['a']\nnames = [\"\\n\"]\n".into(),
                "line 6: names: must not have control",
            ),
            ("processor = [1]\n".into(), "line 4: processor: must be a table, not an integer"),
            (format!("{p}machine = 'arms'\n"), "line 7: machine: must be one of arm, xtensa"),
            (format!("{p}class = 16\n"), "line 7: class: must be 32 or 64"),
            (format!("{p}full-windows = true\n"), "line 7: full-windows: must be a string, not a boolean"),
            (format!("{p}resource-table = 'no'\n"), "must be \"required\" or \"optional\", not \"no\""),
            (format!("{p}recovery = 'inline'\n"), "must be \"enabled\" or \"disabled\""),
            (format!("{p}stop-timeout = 0\n"), "must be 1 to 3600 seconds, not 0"),
            (format!("{p}stop-timeout = 0x1_0000_0001\n"), "must be 1 to 3600 seconds"),
            (format!("{p}like = 'a'\n"), "no processor \"a\" comes before"),
            (format!("{p}after = 'b'\n"), "(rule order)"),
            (format!("{p}after = 'a'\n"), "(rule order)"),
            (format!("{p}hints = ['Do it.']\n"), "(rule hints)"),
            (format!("{p}{p}"), "(rule aliases)"),
            (format!("{p}{}", q.replace("'b'", "'x'")), "(rule aliases)"),
            (format!("{p}{}", q.replace("'y'", "'x'")), "(rule names)"),
            (w("address = 1, size = 1"), "name: missing"),
            (w("name = 'w', size = 1"), "address: missing"),
            (w("name = 'w', address = 1, size = 0"), "(rule windows)"),
            (w("name = 'w', address = 0xffff_ffff_ffff_ffff, size = 1"), "(rule windows)"),
            (w("name = 'w', address = 0, size = 1, system = 0xffff_ffff_ffff_ffff"), "(rule windows)"),
            (w("name = 'w', address = 0, size = 1, reserved = 1"), "must be a boolean"),
            (w("name = 'w', address = 0, size = 1, at = 1"), "line 7: unknown key \"at\""),
        ] {
            let error = with(&processors).unwrap_err();
            assert!(error.contains(words), "{processors}: {error}");
        }
        for (text, words) in [
            (BOARD.replace("'b'", "'B'"), "(rule board-name)"),
            (BOARD.replace("['v,b']", "[]"), "(rule compatible)"),
            (BOARD.replace("'v,b'", "'v b'"), "(rule compatible)"),
            (BOARD.replace("description = 'B'\n", ""), "line 1: description: missing"),
        ] {
            let error = read(&format!("{text}{p}")).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
