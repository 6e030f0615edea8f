//! features: what this runtime supports (OCI runtime specification, features.md), true to what is built.

use argh::FromArgs;

use super::print;
use crate::error::Result;

/// print what this runtime supports as OCI features JSON
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "features", help_triggers("-h", "--help"))]
pub struct Features {}

/// The document. Lists that are empty say "none", where a missing one would say "unknown"; `mountExtensions` is read by
/// containerd without asking whether it is there. Whoever may set the unsafe annotations chooses the processor.
pub const FEATURES: &str = include_str!("features.json");

pub fn run(_: &Features) -> Result<()> {
    print(FEATURES)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::bundle::{OCI_VERSION, PROCESSOR_ANNOTATION};

    #[test]
    fn the_document_says_what_the_code_does() {
        let features: Value = serde_json::from_str(FEATURES).unwrap();
        assert_eq!(features["ociVersionMax"], OCI_VERSION);
        assert_eq!(features["annotations"]["remoteproc-runtime.required-annotation"], PROCESSOR_ANNOTATION);
        let unsafe_prefix = features["potentiallyUnsafeConfigAnnotations"][0].as_str().unwrap();
        assert!(PROCESSOR_ANNOTATION.starts_with(unsafe_prefix));
    }
}
