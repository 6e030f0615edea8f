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
    serde_json::to_string_pretty(text).unwrap_or_default()
}

/// As it is printed, with a line break behind.
pub fn lines(value: &Value) -> String {
    // A value has only keys that are text, so this fails for none.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
