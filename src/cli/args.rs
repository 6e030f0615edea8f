//! The verbs and their options, as argh reads them after [normalisation](super::normalise).

use std::path::PathBuf;

use argh::{FromArgValue, FromArgs};

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

/// What to do.
#[derive(Debug, FromArgs)]
#[argh(subcommand)]
#[allow(missing_docs)]
pub enum Verb {
    Create(Create),
    Start(Start),
    State(State),
    Kill(Kill),
    Delete(Delete),
    Run(Run),
    List(List),
    Ps(Ps),
    Features(Features),
    Spec(Spec),
}

/// stage a bundle's firmware and leave its proxy waiting for start
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "create", help_triggers("-h", "--help"))]
pub struct Create {
    /// directory with config.json (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// file that gets the proxy's pid
    #[argh(option, arg_name = "file")]
    pub pid_file: Option<PathBuf>,
    /// socket that gets the master of the pseudo-terminal
    #[argh(option, arg_name = "socket")]
    pub console_socket: Option<PathBuf>,
    /// accepted and ignored
    #[argh(switch)]
    pub no_pivot: bool,
    /// accepted and ignored
    #[argh(switch)]
    pub no_new_keyring: bool,
    /// accepted and ignored
    #[argh(option, arg_name = "n")]
    pub preserve_fds: Option<u32>,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// boot the processor of a created container; answers when it runs
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "start", help_triggers("-h", "--help"))]
pub struct Start {
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// print a container's state as OCI JSON
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "state", help_triggers("-h", "--help"))]
pub struct State {
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// stop a container's firmware (TERM, INT, HUP, QUIT, 37), or end its proxy at once (KILL)
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "kill", help_triggers("-h", "--help"))]
pub struct Kill {
    /// accepted: a container has one process
    #[argh(switch, short = 'a')]
    pub all: bool,
    /// signal to send (default: TERM)
    #[argh(option, short = 's', arg_name = "signal")]
    pub signal: Option<String>,
    /// container id
    #[argh(positional)]
    pub id: String,
    /// the signal, in place of --signal
    #[argh(positional, arg_name = "signal")]
    pub positional_signal: Option<String>,
}

impl Kill {
    /// The signal as it was written; TERM where none was.
    pub fn signal_text(&self) -> &str {
        self.positional_signal.as_deref().or(self.signal.as_deref()).unwrap_or("TERM")
    }
}

/// remove a stopped container and its stored firmware
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "delete", help_triggers("-h", "--help"))]
pub struct Delete {
    /// end it first, whatever its status; an unknown id is no error
    #[argh(switch, short = 'f')]
    pub force: bool,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// create, start, wait for the end, delete; exits with the proxy's code
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "run", help_triggers("-h", "--help"))]
pub struct Run {
    /// directory with config.json (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// leave it running
    #[argh(switch, short = 'd')]
    pub detach: bool,
    /// file that gets the proxy's pid
    #[argh(option, arg_name = "file")]
    pub pid_file: Option<PathBuf>,
    /// socket that gets the master of the pseudo-terminal
    #[argh(option, arg_name = "socket")]
    pub console_socket: Option<PathBuf>,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// list the containers of the state directory
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"))]
pub struct List {
    /// table (default) or json
    #[argh(option, short = 'f', arg_name = "format", default = "ListFormat::Table")]
    pub format: ListFormat,
    /// ids only
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// How `list` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum ListFormat {
    /// For people.
    Table,
    /// An array of objects.
    Json,
}

/// print the pid of a container's proxy
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "ps", help_triggers("-h", "--help"))]
pub struct Ps {
    /// table (default) or json
    #[argh(option, short = 'f', arg_name = "format", default = "PsFormat::Table")]
    pub format: PsFormat,
    /// container id
    #[argh(positional)]
    pub id: String,
}

/// How `ps` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromArgValue)]
pub enum PsFormat {
    /// For people.
    Table,
    /// An array of pids.
    Json,
}

/// print what this runtime supports as OCI features JSON
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "features", help_triggers("-h", "--help"))]
pub struct Features {}

/// write a bundle for a firmware, ready for create
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "spec", help_triggers("-h", "--help"))]
pub struct Spec {
    /// directory to write to, made if missing (default: the working directory)
    #[argh(option, short = 'b', arg_name = "dir", default = "PathBuf::from(\".\")")]
    pub bundle: PathBuf,
    /// the processor's name, as in /sys/class/remoteproc/remoteprocN/name
    #[argh(option, arg_name = "name")]
    pub processor: String,
    /// the firmware's ELF file
    #[argh(option, arg_name = "file")]
    pub firmware: PathBuf,
}
