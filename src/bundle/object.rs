//! Objects of config.json, whose properties are read one by one, so that an error names the one it is about. By one visitor
//! for all of them: what derive would write for each is five times the code.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// An object with properties that are known by name, not read yet.
pub(super) struct Object<'a> {
    config: &'a Path,
    /// `process.`, with which its properties' names begin; empty for the whole of the config.
    prefix: &'static str,
    properties: Vec<(&'static str, Option<&'a RawValue>)>,
}

impl<'a> Object<'a> {
    /// The object in `text`, with the properties of these `names`; others are passed over.
    ///
    /// # Errors
    /// When it is none, or a property is there twice; named by `prefix`.
    pub(super) fn read(
        config: &'a Path,
        prefix: &'static str,
        text: &'a str,
        names: &[&'static str],
    ) -> Result<Self> {
        let whole = prefix.strip_suffix('.').unwrap_or(prefix);
        if !text.trim_start().starts_with('{') {
            let problem = match whole {
                "" => "not a valid config: it must be one JSON object",
                _ => "invalid type: it must be an object",
            };
            return Err(config_error(config, whole, problem));
        }
        let properties = names.iter().map(|name| (*name, None)).collect();
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(Properties(properties))
            .and_then(|properties| json.end().map(|()| properties))
            .map(|properties| Self { config, prefix, properties })
            .map_err(|e| config_error(config, whole, in_words(&e, whole)))
    }

    /// A property as it is written; `None` where it is missing, or null.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.properties.iter().find(|(known, _)| *known == name);
        found.and_then(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// A property, if it is there.
    pub(super) fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|e| self.error(name, in_words(&e, name)))
    }

    /// A property that must be there.
    pub(super) fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// A property that is an object.
    pub(super) fn object(
        &self,
        name: &str,
        prefix: &'static str,
        names: &[&'static str],
    ) -> Result<Option<Object<'a>>> {
        self.raw(name).map(|raw| Object::read(self.config, prefix, raw.get(), names)).transpose()
    }

    /// A property that is an array of objects.
    pub(super) fn objects(
        &self,
        name: &str,
        prefix: &'static str,
        names: &[&'static str],
    ) -> Result<Vec<Object<'a>>> {
        let Some(raw) = self.raw(name) else { return Ok(Vec::new()) };
        let entries: Vec<&'a RawValue> =
            serde_json::from_str(raw.get()).map_err(|e| self.error(name, in_words(&e, name)))?;
        entries.into_iter().map(|entry| Object::read(self.config, prefix, entry.get(), names)).collect()
    }

    /// The error for a property that must be there and is not.
    pub(super) fn missing(&self, name: &str) -> Error {
        self.error(name, "missing")
    }

    fn error(&self, name: &str, problem: impl Into<String>) -> Error {
        config_error(self.config, &format!("{}{name}", self.prefix), problem)
    }
}

/// An error of the JSON. The position is one inside the property, which helps nobody; of the whole it does.
fn in_words(error: &serde_json::Error, property: &str) -> String {
    let text = error.to_string();
    match property {
        "" => format!("not a valid config: {text}"),
        _ => text.split(" at line ").next().unwrap_or(&text).to_owned(),
    }
}

pub(super) fn config_error(config: &Path, property: &str, problem: impl Into<String>) -> Error {
    Error::Config { path: config.to_owned(), property: property.to_owned(), problem: problem.into() }
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
