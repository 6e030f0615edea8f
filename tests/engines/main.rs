//! The engines: what podman, containerd and docker make of this runtime, and what it makes of them.
//!
//! Started by `tests/engines/run`, which names the engine and has what it takes. Every scenario has a machine of its own:
//! a simulated board, a network, processes, and an engine with all its files, so nothing is left whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod harness;

mod examples;
mod failures;
mod lifecycle;
mod logs;
mod network;
mod options;
mod pods;
mod restarts;
mod rootless;
