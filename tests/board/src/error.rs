//! What can go wrong while a board is put up.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a board could not be mounted.
#[derive(Debug)]
pub enum BoardError {
    /// The backing directory could not be prepared.
    Backing {
        /// The directory concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system could not be mounted.
    Mount {
        /// The mount point.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoardError::Backing { path, source } => {
                write!(f, "cannot prepare the backing directory {}: {source}", path.display())
            }
            BoardError::Mount { path, source } => write!(
                f,
                "cannot mount a simulated board on {}: {source} (it needs /dev/fuse, and root or \
                 fusermount3: install the package fuse3, load the module fuse)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for BoardError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BoardError::Backing { source, .. } | BoardError::Mount { source, .. } => Some(source),
        }
    }
}
