//! The global options and the verbs, as argh reads them after [normalisation](mod@super::normalise).

use std::path::PathBuf;

use argh::{FromArgValue, FromArgs};

use crate::commands::Verb;

/// OCI runtime that deploys firmware to auxiliary processors through Linux remoteproc.
#[derive(Debug, FromArgs)]
#[argh(help_triggers("-h", "--help"))]
#[argh(
    note = "Not supported, since a firmware cannot have them: exec, pause, resume, update, events, checkpoint, restore."
)]
pub struct Global {
    /// state directory (default: /run/remoteproc-runtime for root, else $XDG_RUNTIME_DIR/remoteproc-runtime)
    #[argh(option, arg_name = "dir")]
    pub root: Option<PathBuf>,
    /// directory that stands for / of the board: its sys, dev, proc, lib/firmware, etc, usr/share
    #[argh(option, arg_name = "dir", default = "PathBuf::from(\"/\")")]
    pub host_root: PathBuf,
    /// board profile (default: the one that the device tree asks for)
    #[argh(option, arg_name = "name")]
    pub board: Option<String>,
    /// file that gets one line for a failure, and everything with --debug
    #[argh(option, arg_name = "file")]
    pub log: Option<PathBuf>,
    /// text (default) or json, one object a line
    #[argh(option, arg_name = "format", default = "LogFormat::Text")]
    pub log_format: LogFormat,
    /// error, warn (default), info, debug or trace
    #[argh(option, arg_name = "level")]
    pub log_level: Option<log::LevelFilter>,
    /// the same as --log-level debug, in the --log file too
    #[argh(switch)]
    pub debug: bool,
    /// accepted and ignored
    #[argh(switch)]
    pub systemd_cgroup: bool,
    /// accepted and ignored
    #[argh(option, arg_name = "name")]
    pub cgroup_manager: Option<String>,
    /// accepted and ignored
    #[argh(option, arg_name = "bool")]
    pub rootless: Option<String>,
    /// accepted and ignored
    #[argh(option, arg_name = "path")]
    pub criu: Option<String>,
    /// print version, commit and the OCI specification's version
    #[argh(switch, short = 'v')]
    pub version: bool,
    #[argh(subcommand)]
    #[allow(missing_docs)]
    pub verb: Option<Verb>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For engines.
    Json,
}
