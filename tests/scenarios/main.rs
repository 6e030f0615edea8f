//! The scenarios: what each verb must do, on a board.
//!
//! A scenario talks to a board only through files below its root and through the binary, so that the same executable can
//! run on a real kernel. `REMOTEPROC_RUNTIME` names another binary than the one built beside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod harness;

mod delete;
mod evidence;
mod lifecycle;
mod ownership;
mod settings;
mod shutdown;
mod start;
mod stop;
mod truth;
mod watch;

mod boards;
mod config;
mod engines;
mod families;
mod firmware;
mod fit;
mod hangs;
mod hostile;
mod kernel;
mod peers;
mod races;
mod replays;
mod rights;
mod sandbox;
mod scale;
mod sequences;
mod soak;
mod storage;

mod command_line;
mod doctor;
mod foreground;
mod listing;
mod logs;
mod network;
mod processors;
mod terminal;
mod traces;
