//! Container ids: names from outside that become file names.

use std::fmt;

use crate::error::{Error, Result};

/// A checked container id: 1 to 255 of `A-Za-z0-9_+-.`, not `.` or `..`, no leading `-`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContainerId(String);

impl ContainerId {
    /// Checks an id.
    ///
    /// ```
    /// use remoteproc_runtime::container::ContainerId;
    ///
    /// assert_eq!(ContainerId::new("motor-m4").unwrap().as_str(), "motor-m4");
    /// assert!(ContainerId::new("../motor").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with the rule.
    pub fn new(id: &str) -> Result<Self> {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-' | b'.');
        let good = (1..=255).contains(&id.len())
            && id.bytes().all(known)
            && !id.starts_with('-')
            && !matches!(id, "." | "..");
        if good {
            return Ok(Self(id.to_owned()));
        }
        // An id of any length and content is not repeated whole.
        let shown: String = id.escape_debug().take(40).collect();
        Err(Error::invalid(format!(
            "invalid container id \"{shown}\": 1 to 255 of A-Z a-z 0-9 _ + - . are allowed, no leading -, not . or .."
        )))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_cannot_lead_anywhere_are_taken() {
        for id in ["a", "A_z+0-9.", ".hidden", "..a", "0", &"x".repeat(255)] {
            assert_eq!(ContainerId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn all_others_are_refused() {
        for id in ["", ".", "..", "-a", "a/b", "../../x", "a b", "ü", "a\0", "a\n", &"x".repeat(256), "@lock"]
        {
            let error = ContainerId::new(id).unwrap_err();
            assert!(error.to_string().contains("invalid container id"), "{error}");
        }
    }
}
