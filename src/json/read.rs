//! Objects whose properties are read one by one, so that an error names the one it is about. By one visitor for all of them.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What is wrong with a property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Its name with those of the objects that it is in, as in `process.args`; empty for the whole.
    pub property: String,
    /// A sentence.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.property.as_str() {
            "" => f.write_str(&self.text),
            property => write!(f, "{property}: {}", self.text),
        }
    }
}

/// What reading gives.
pub type Result<T> = std::result::Result<T, Problem>;

/// An object with properties that are known by name, not read yet.
#[derive(Debug)]
pub struct Object<'a> {
    /// `process.`, with which its properties' names begin; empty for the whole.
    prefix: &'static str,
    properties: Vec<(&'static str, Option<&'a RawValue>)>,
}

impl<'a> Object<'a> {
    /// The object in `text`, with the properties of these `names`; others are passed over.
    ///
    /// # Errors
    /// When it is none, or a property is there twice; named by `prefix`.
    pub fn read(prefix: &'static str, text: &'a str, names: &[&'static str]) -> Result<Self> {
        let whole = prefix.strip_suffix('.').unwrap_or(prefix);
        let problem = |text| Problem { property: whole.to_owned(), text };
        if !text.trim_start().starts_with('{') {
            let kind = if whole.is_empty() {
                "it must be one JSON object"
            } else {
                "invalid type: it must be an object"
            };
            return Err(problem(kind.to_owned()));
        }
        let properties = names.iter().map(|name| (*name, None)).collect();
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(Properties(properties))
            .and_then(|properties| json.end().map(|()| properties))
            .map(|properties| Self { prefix, properties })
            .map_err(|e| problem(in_words(&e, whole)))
    }

    /// A property as it is written; `None` where it is missing, or null.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.properties.iter().find(|(known, _)| *known == name);
        debug_assert!(found.is_some(), "{}{name} is not among the names that were read", self.prefix);
        found.and_then(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// A property, if it is there.
    ///
    /// # Errors
    /// When it is of another type.
    pub fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|e| self.problem(name, in_words(&e, name)))
    }

    /// A property that must be there.
    ///
    /// # Errors
    /// When it is not, or of another type.
    pub fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// A number, if it is there. Not by serde, which would take fractions along.
    ///
    /// # Errors
    /// When it is none, or out of range.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let number = raw.get().parse().map_err(|_| self.problem(name, "is no whole number in its range"))?;
        Ok(Some(number))
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// When it is not, or is none in its range.
    pub fn required_number<T: FromStr>(&self, name: &str) -> Result<T> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    /// A property that is an object, if it is there.
    ///
    /// # Errors
    /// As [`Object::read`].
    pub fn object(&self, name: &str, prefix: &'static str, names: &[&'static str]) -> Result<Option<Self>> {
        self.raw(name).map(|raw| Self::read(prefix, raw.get(), names)).transpose()
    }

    /// A property that must be there and is an object.
    ///
    /// # Errors
    /// As [`Object::read`], and when it is missing.
    pub fn required_object(&self, name: &str, prefix: &'static str, names: &[&'static str]) -> Result<Self> {
        self.object(name, prefix, names)?.ok_or_else(|| self.missing(name))
    }

    /// A property that is an array of objects; empty where it is missing.
    ///
    /// # Errors
    /// When it is none, or an entry is none.
    pub fn objects(&self, name: &str, prefix: &'static str, names: &[&'static str]) -> Result<Vec<Self>> {
        let Some(raw) = self.raw(name) else { return Ok(Vec::new()) };
        let entries: Vec<&'a RawValue> =
            serde_json::from_str(raw.get()).map_err(|e| self.problem(name, in_words(&e, name)))?;
        entries.into_iter().map(|entry| Self::read(prefix, entry.get(), names)).collect()
    }

    fn missing(&self, name: &str) -> Problem {
        self.problem(name, "missing")
    }

    /// That something is wrong with a property, in the words of `text`.
    pub fn problem(&self, name: &str, text: impl Into<String>) -> Problem {
        Problem { property: format!("{}{name}", self.prefix), text: text.into() }
    }
}

/// An error of the JSON. The position is one inside the property, which helps nobody; of the whole it does.
fn in_words(error: &serde_json::Error, property: &str) -> String {
    let text = error.to_string();
    match property {
        "" => text,
        _ => text.split(" at line ").next().unwrap_or(&text).to_owned(),
    }
}

/// Fills in the properties that are known.
struct Properties<'a>(Vec<(&'static str, Option<&'a RawValue>)>);

impl<'de> Visitor<'de> for Properties<'de> {
    type Value = Vec<(&'static str, Option<&'de RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, raw @ None)) => *raw = Some(map.next_value()?),
                Some(_) => return Err(A::Error::custom(format_args!("duplicate field `{name}`"))),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn read(text: &str) -> Result<Object<'_>> {
        Object::read("", text, &NAMES)
    }

    #[test]
    fn properties_are_read_when_they_are_asked_for() {
        let object = read(r#" {"a": "x", "b": null, "other": [{}], "c": {"a": -7}} "#).unwrap();
        assert_eq!(object.required::<String>("a"), Ok("x".to_owned()));
        assert_eq!(object.optional::<String>("b"), Ok(None), "null is as good as missing");
        let inner = object.object("c", "c.", &["a", "b"]).unwrap().unwrap();
        assert_eq!((inner.number::<i32>("a"), inner.number::<i32>("b")), (Ok(Some(-7)), Ok(None)));
        assert_eq!(inner.number::<u32>("a").unwrap_err().to_string(), "c.a: is no whole number in its range");
        assert_eq!(inner.required::<String>("b").unwrap_err().to_string(), "c.b: missing");
        assert!(inner.required::<String>("a").unwrap_err().to_string().starts_with("c.a: invalid type: "));
    }

    #[test]
    fn arrays_of_objects_are_read_one_by_one() {
        let object = read(r#"{"a": [{"x": 1}, {"x": 2}], "b": [1], "c": 7}"#).unwrap();
        let numbers: Vec<u32> = object
            .objects("a", "a.", &["x"])
            .unwrap()
            .iter()
            .filter_map(|entry| entry.number("x").unwrap())
            .collect();
        assert_eq!(numbers, [1, 2]);
        assert!(read("{}").unwrap().objects("a", "", &[]).unwrap().is_empty());
        for bad in ["b", "c"] {
            let problem = object.objects(bad, "b.", &["x"]).unwrap_err().to_string();
            assert!(problem.contains("invalid type"), "{problem}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "[]",
            "7",
            "null",
            "{",
            "{}{}",
            "{} x",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": }",
            "{7: 1}",
            "{\"a\"}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for number in ["1.5", "1e3", "\"1\"", "99999999999", "-1", "true"] {
            let text = format!("{{\"a\": {number}}}");
            assert!(read(&text).unwrap().number::<u32>("a").is_err(), "{number}");
        }
    }
}
