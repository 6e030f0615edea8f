//! The network namespace that a proxy lives in.
