//! The annotations of a container that say how it is to be treated, beyond which processor it is for.

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::remoteproc::{Coredump, Recovery};

/// Whether create examines the firmware: `on` or `off`.
pub const FIRMWARE_CHECK: &str = "remoteproc.firmware-check";
/// Whether the kernel restarts the processor after a crash.
pub const RECOVERY: &str = "remoteproc.recovery";
/// What the kernel does with the processor's memory after a crash.
pub const COREDUMP: &str = "remoteproc.coredump";
/// Where the firmware's trace buffers go: `stdout` or `off`.
pub const TRACE: &str = "remoteproc.trace";
/// Seconds that a stop may take, 1 to 3600.
pub const STOP_TIMEOUT: &str = "remoteproc.stop-timeout";

/// What they say, or what holds without them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotations {
    /// [`FIRMWARE_CHECK`]; on without it.
    pub firmware_check: bool,
    /// [`RECOVERY`]; without it the board's profile decides, or what is set already.
    pub recovery: Option<Recovery>,
    /// [`COREDUMP`]; the same.
    pub coredump: Option<Coredump>,
    /// [`TRACE`]: whether they go to standard output; they do without it.
    pub trace: bool,
    /// [`STOP_TIMEOUT`]; without it the board's profile decides, or the default.
    pub stop_timeout: Option<u32>,
}

impl Annotations {
    /// Those of a bundle.
    ///
    /// # Errors
    /// [`Error::Config`], naming the annotation, for a value that it cannot have.
    pub fn of(bundle: &Bundle) -> Result<Self> {
        let check = choice(bundle, FIRMWARE_CHECK, &[("on", true), ("off", false)])?;
        Ok(Self {
            firmware_check: check.unwrap_or(true),
            recovery: choice(bundle, RECOVERY, &Recovery::WORDS)?,
            coredump: choice(bundle, COREDUMP, &Coredump::WORDS)?,
            trace: choice(bundle, TRACE, &[("stdout", true), ("off", false)])?.unwrap_or(true),
            stop_timeout: seconds(bundle, STOP_TIMEOUT)?,
        })
    }
}

/// The meaning of one of these words; `None` without the annotation.
fn choice<T: Copy>(bundle: &Bundle, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
    let Some(value) = bundle.annotations.get(name) else { return Ok(None) };
    match words.iter().find(|(word, _)| word == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(refused(bundle, name, value, &format!("is none of its values: {}", known.join(", "))))
        }
    }
}

/// 1 to 3600; `None` without the annotation.
fn seconds(bundle: &Bundle, name: &str) -> Result<Option<u32>> {
    let Some(value) = bundle.annotations.get(name) else { return Ok(None) };
    // `+5` is a number to Rust, and to nobody else.
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(seconds @ 1..=3600) if digits => Ok(Some(seconds)),
        _ => Err(refused(bundle, name, value, "is not 1 to 3600 seconds")),
    }
}

fn refused(bundle: &Bundle, name: &str, value: &str, problem: &str) -> Error {
    // Values have any length.
    let shown: String = value.chars().take(40).collect();
    Error::Config {
        path: bundle.directory.join("config.json"),
        property: format!("annotations.{name}"),
        problem: format!("{shown:?} {problem}"),
    }
}
