//! Directories that are full, read-only, missing, or hold what another boot left.
