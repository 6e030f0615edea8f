//! One run of a program, and what many runs have in common.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub wall: Duration,
    /// Peak resident memory, in kB.
    pub peak: u64,
}

/// Runs `line` by the small program `launch` and takes its figures; a failure of what is run is one of the benchmark.
pub fn sample(launch: &Path, line: &[String]) -> Outcome<Sample> {
    let output = Command::new(launch).args(line).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [wall, peak, "0"] = fields.as_slice() else {
        return Err(format!("{}: {text:?}", line.join(" ")).into());
    };
    Ok(Sample { wall: Duration::from_nanos(wall.parse()?), peak: peak.parse()? })
}

/// Minimum, median and maximum of a figure.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Outcome<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        match (values.first(), values.get(values.len() / 2), values.last()) {
            (Some(&least), Some(&median), Some(&most)) => Ok(Self { least, median, most }),
            _ => Err("nothing was measured".into()),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.2} {:8.2} {:8.2}", self.least, self.median, self.most)
    }
}

/// A duration in milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
