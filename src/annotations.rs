//! The annotations of a container that say how it is to be treated, beyond which processor it is for.

use crate::bundle::Bundle;
use crate::error::{Error, Result};

/// Whether create examines the firmware: `on` or `off`.
pub const FIRMWARE_CHECK: &str = "remoteproc.firmware-check";

/// What they say, or what holds without them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotations {
    /// [`FIRMWARE_CHECK`]; on without it.
    pub firmware_check: bool,
}

impl Annotations {
    /// Those of a bundle.
    ///
    /// # Errors
    /// [`Error::Config`], naming the annotation, for a value that it cannot have.
    pub fn of(bundle: &Bundle) -> Result<Self> {
        let check = choice(bundle, FIRMWARE_CHECK, &[("on", true), ("off", false)])?;
        Ok(Self { firmware_check: check.unwrap_or(true) })
    }
}

/// The meaning of one of these words; `None` without the annotation.
fn choice<T: Copy>(bundle: &Bundle, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
    let Some(value) = bundle.annotations.get(name) else { return Ok(None) };
    match words.iter().find(|(word, _)| word == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(Error::Config {
                path: bundle.directory.join("config.json"),
                property: format!("annotations.{name}"),
                problem: format!("{value:?} is none of its values: {}", known.join(", ")),
            })
        }
    }
}
