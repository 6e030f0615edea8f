//! TOML (toml.io) as a tree of what a board profile is made of: strings, integers, booleans, arrays and tables.
//!
//! The crate `toml_parser` reads the syntax and tells of it piece by piece; here the pieces are put together. Floats,
//! dates, dotted keys and `[tables]` are refused, since no profile has a use for them; `[[arrays of tables]]` are taken.

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, ParseError, Raw, Source, Span};

/// The most levels of arrays and tables inside each other that are taken: profiles have two.
const DEPTH: usize = 4;

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Switch(bool),
    List(Vec<Value>),
    Table(Table),
}

/// Keys and their values, in the order of the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Table {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

/// Reads a whole document.
///
/// # Errors
/// A sentence that begins with the line.
pub(super) fn parse(text: &str) -> Result<Table, String> {
    let source = Source::new(text);
    let root = Table { line: 1, entries: Vec::new() };
    let mut builder = Builder {
        source,
        root,
        lines: (0, 1),
        open: Vec::new(),
        current: None,
        header: false,
        key: None,
        failure: None,
    };
    let mut syntax: Option<ParseError> = None;
    parse_document(&source.lex().into_vec(), &mut builder, &mut syntax);
    let syntax = syntax.map(|error| {
        let at = error.unexpected().or(error.context()).map_or(text.len(), |span| span.start());
        (at, error.description().to_owned())
    });
    // Whichever comes first in the file: what follows a failure may be its consequence.
    match syntax.into_iter().chain(builder.failure).min_by_key(|(at, _)| *at) {
        Some((at, problem)) => Err(format!("line {}: {problem}", lines(1, text.as_bytes().get(..at)))),
        None => Ok(builder.root),
    }
}

/// The line behind `text`, which begins on line `first`.
fn lines(first: usize, text: Option<&[u8]>) -> usize {
    let breaks = text.unwrap_or_default().iter().filter(|byte| **byte == b'\n');
    breaks.count().saturating_add(first)
}

/// An array or table that is not closed yet, and the key that it belongs to where it lies in a table.
struct Open {
    key: Option<(String, usize)>,
    value: Value,
}

struct Builder<'a> {
    source: Source<'a>,
    root: Table,
    /// How far lines were counted, and the line there: the pieces come in the order of the text.
    lines: (usize, usize),
    open: Vec<Open>,
    /// The entry of the root that is an array of tables, and in whose last table we are.
    current: Option<usize>,
    /// Between `[[` and `]]`.
    header: bool,
    /// The key that was read last, and its line.
    key: Option<(String, usize)>,
    /// Where the first failure is, and what.
    failure: Option<(usize, String)>,
}

impl Builder<'_> {
    fn fail(&mut self, at: Span, problem: impl Into<String>) {
        self.failure.get_or_insert((at.start(), problem.into()));
    }

    fn line(&mut self, at: Span) -> usize {
        let (known, line) = self.lines;
        self.lines = (at.start(), lines(line, self.source.input().as_bytes().get(known..at.start())));
        self.lines.1
    }

    fn raw(&self, at: Span, encoding: Option<Encoding>) -> Raw<'_> {
        let text = self.source.input().get(at.start()..at.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, at)
    }

    /// The table that keys belong to now.
    fn table(&mut self) -> Option<&mut Table> {
        if let Some(open) = self.open.last_mut() {
            return match &mut open.value {
                Value::Table(table) => Some(table),
                _ => None,
            };
        }
        let Some(current) = self.current else { return Some(&mut self.root) };
        match &mut self.root.entries.get_mut(current)?.value {
            Value::List(tables) => match tables.last_mut()? {
                Value::Table(table) => Some(table),
                _ => None,
            },
            _ => None,
        }
    }

    fn put(&mut self, key: Option<(String, usize)>, value: Value, at: Span) {
        if let Some(Open { value: Value::List(list), .. }) = self.open.last_mut() {
            return list.push(value);
        }
        let Some((key, line)) = key else { return self.fail(at, "a value without a key") };
        match self.table() {
            Some(table) if table.entries.iter().any(|entry| entry.key == key) => {
                self.fail(at, format!("key {key:?} is there twice"));
            }
            Some(table) => table.entries.push(Entry { key, line, value }),
            None => self.fail(at, "a key in no table"),
        }
    }

    /// Opens an array or table; whether it may be.
    fn enter(&mut self, value: Value, at: Span) -> bool {
        if self.open.len() >= DEPTH {
            self.fail(at, "too many arrays and tables inside each other");
            return false;
        }
        let key = self.key.take();
        self.open.push(Open { key, value });
        true
    }

    fn leave(&mut self, at: Span) {
        // One that was refused was not opened.
        if self.failure.is_none() {
            if let Some(Open { key, value }) = self.open.pop() {
                self.put(key, value, at);
            }
        }
    }

    /// Begins another table of the array of tables `key`.
    fn begin_table(&mut self, key: String, line: usize, at: Span) {
        let table = Value::Table(Table { line, entries: Vec::new() });
        let known = self.root.entries.iter().position(|entry| entry.key == key);
        let index = known.unwrap_or(self.root.entries.len());
        match self.root.entries.get_mut(index).map(|entry| &mut entry.value) {
            Some(Value::List(tables)) => tables.push(table),
            Some(_) => return self.fail(at, format!("key {key:?} is there twice")),
            None => self.root.entries.push(Entry { key, line, value: Value::List(vec![table]) }),
        }
        self.current = Some(index);
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, at: Span, _: &mut dyn ErrorSink) {
        self.fail(at, "a profile has no [table], only [[processor]]");
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header = true;
    }

    fn array_table_close(&mut self, at: Span, _: &mut dyn ErrorSink) {
        self.header = false;
        if let Some((key, line)) = self.key.take() {
            self.begin_table(key, line, at);
        }
    }

    fn inline_table_open(&mut self, at: Span, _: &mut dyn ErrorSink) -> bool {
        let line = self.line(at);
        self.enter(Value::Table(Table { line, entries: Vec::new() }), at)
    }

    fn inline_table_close(&mut self, at: Span, _: &mut dyn ErrorSink) {
        self.leave(at);
    }

    fn array_open(&mut self, at: Span, _: &mut dyn ErrorSink) -> bool {
        self.enter(Value::List(Vec::new()), at)
    }

    fn array_close(&mut self, at: Span, _: &mut dyn ErrorSink) {
        self.leave(at);
    }

    fn simple_key(&mut self, at: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut key = String::new();
        self.raw(at, encoding).decode_key(&mut key, error);
        self.key = Some((key, self.line(at)));
    }

    fn key_sep(&mut self, at: Span, _: &mut dyn ErrorSink) {
        self.fail(at, "a profile has no dotted keys");
    }

    fn scalar(&mut self, at: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let mut text = String::new();
        let value = match self.raw(at, encoding).decode_scalar(&mut text, error) {
            ScalarKind::String => Value::Text(text),
            ScalarKind::Boolean(on) => Value::Switch(on),
            ScalarKind::Integer(radix) => match u64::from_str_radix(&text, radix.value()) {
                Ok(number) => Value::Number(number),
                Err(_) => {
                    return self.fail(at, "an integer that is no size or address: 0 to 0xffffffffffffffff");
                }
            },
            ScalarKind::Float | ScalarKind::DateTime => {
                return self.fail(at, "neither a string, an integer nor a boolean");
            }
        };
        let key = self.key.take();
        self.put(key, value, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn entries(table: &Table) -> Vec<(&str, usize, &Value)> {
        table.entries.iter().map(|entry| (entry.key.as_str(), entry.line, &entry.value)).collect()
    }

    #[test]
    fn a_profile_becomes_a_tree_with_its_lines() {
        let root = parse(
            "# a comment\nname = 'x' # and one behind\nlist = [\n  \"a#b\", \"\\u00e9\",\n]\n\n[[processor]]\non = true\n\
             windows = [{ address = 0x1000_0000, size = 10 }]\n[[processor]]\n",
        )
        .unwrap();
        let [("name", 2, name), ("list", 3, list), ("processor", 7, Value::List(processors))] =
            entries(&root)[..]
        else {
            panic!("{root:?}")
        };
        assert_eq!((name, list), (&text("x"), &Value::List(vec![text("a#b"), text("é")])));
        let [Value::Table(first), Value::Table(second)] = &processors[..] else { panic!("{processors:?}") };
        assert_eq!((first.line, second.line, second.entries.len()), (7, 10, 0));
        let [("on", 8, Value::Switch(true)), ("windows", 9, Value::List(windows))] = entries(first)[..]
        else {
            panic!("{first:?}")
        };
        let [Value::Table(window)] = &windows[..] else { panic!("{windows:?}") };
        assert_eq!(
            entries(window),
            [("address", 9, &Value::Number(0x1000_0000)), ("size", 9, &Value::Number(10))]
        );
    }

    #[test]
    fn what_no_profile_has_is_refused_with_its_line() {
        for (text, words) in [
            ("a = 1\nb =", "line 2: "),
            ("a = 1\n\na = 2", "line 3: key \"a\" is there twice"),
            ("a = 1.5", "line 1: neither"),
            ("a = 2026-01-01", "line 1: neither"),
            ("a = -1", "line 1: an integer"),
            ("a = 0x1_0000_0000_0000_0000", "line 1: an integer"),
            ("[a]", "line 1: a profile has no [table]"),
            ("a.b = 1", "line 1: a profile has no dotted keys"),
            ("a = [[[[[1]]]]]", "line 1: too many"),
            ("processor = 1\n[[processor]]", "line 2: key \"processor\" is there twice"),
            ("[[processor]]\na = [1\n", "line "),
            ("= 1", "line 1: "),
            ("a = \"\u{1}\"", "line 1: "),
            ("\u{0}", "line 1: "),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_prefix_and_no_single_byte_makes_it_panic() {
        let whole = "name = \"x\"\n[[processor]]\nlist = [1, { a = true, b = 'é' }] # x\n";
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            let _ = parse(&whole[..end]);
            for c in ["[", "]", "{", "}", "\"", "=", ".", ",", "\n", "\0", "1", "é"] {
                let _ = parse(&format!("{}{c}{}", &whole[..end], &whole[end..]));
            }
        }
    }
}
