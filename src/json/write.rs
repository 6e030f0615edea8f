//! JSON that is printed. Not by the macro `json`, which writes an insertion for each key, nor by what `Value` shows of
//! itself, which brings a writer of its own.

use std::path::Path;

use serde_json::{Map, Value};

/// An object.
pub fn object(pairs: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    for (key, value) in pairs {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

/// A text.
pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A path; what is not Unicode in it is replaced.
pub fn path(path: &Path) -> Value {
    text(&path.to_string_lossy())
}

/// An array of texts.
pub fn texts(texts: &[String]) -> Value {
    texts.iter().map(|own| text(own)).collect()
}

/// A text as it is written in JSON. It is in one line, however a document would be laid out.
pub fn quoted(text: &str) -> String {
    // A text can always be written.
    harmless(serde_json::to_string_pretty(text).unwrap_or_default())
}

/// A document with the control characters escaped that JSON leaves as they are: DEL and the C1 set of ECMA-48, which some
/// terminals obey. They can only be in its texts.
pub fn harmless(document: String) -> String {
    let controls = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !document.contains(controls) {
        return document;
    }
    let mut harmless = String::new();
    for c in document.chars() {
        match controls(c) {
            true => harmless.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => harmless.push(c),
        }
    }
    harmless
}

/// As it is printed, with a line break behind.
pub fn lines(value: &Value) -> String {
    // A value has only keys that are text, so this fails for none.
    harmless(serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_document_reaches_a_terminal_as_a_control_character() {
        let hostile = "\u{1b}[2J \u{9b}2J \u{7f} é \n";
        for document in [quoted(hostile), lines(&object(vec![("key", text(hostile))]))] {
            assert!(!document.trim_end().chars().any(|c| c.is_control() && c != '\n'), "{document:?}");
            assert!(document.contains("é"));
        }
        let again: String = serde_json::from_str(&quoted(hostile)).unwrap();
        assert_eq!(again, hostile);
    }
}
