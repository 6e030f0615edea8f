//! OCI runtime that deploys firmware to auxiliary processors through Linux remoteproc.
//!
//! A container image holds one firmware file; an engine, or a person at the shell, deploys it with the standard OCI
//! verbs. `create` stages the firmware and leaves a small resident process, the proxy; `start` has the proxy boot the
//! processor; the proxy lives exactly as long as the firmware runs.
//!
//! Modules import only from those below them:
//! `cli`, `logging` > `commands` > `proxy` > `container` > `firmware` > `annotations`, `board` > `bundle`, `remoteproc` >
//! `host` > `error` > `json`, `sys`.

// What is compiled into the program must not panic, whatever it is given; tests may.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::exit,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

/// The program's name, in its own messages and in the process list.
pub const PROGRAM: &str = "remoteproc-runtime";

pub mod annotations;
pub mod board;
pub mod bundle;
pub mod cli;
pub mod commands;
pub mod container;
pub mod error;
pub mod firmware;
pub mod host;
pub mod json;
pub mod logging;
pub mod proxy;
pub mod remoteproc;
pub mod sys;
