//! The verbs, one file each: its options, as argh reads them, and what it does.

mod check;
mod columns;
mod create;
mod delete;
mod doctor;
mod features;
mod kill;
mod list;
mod logs;
mod occupant;
mod order;
mod processors;
mod ps;
mod refusal;
mod run;
mod screen;
mod spec;
mod start;
mod state;

use std::process::ExitCode;

use argh::FromArgs;

pub use check::Check;
pub use create::Create;
pub use delete::Delete;
pub use doctor::Doctor;
pub use features::{FEATURES, Features};
pub use kill::Kill;
pub use list::List;
pub use logs::Logs;
pub use processors::Processors;
pub use ps::Ps;
pub use run::Run;
pub use spec::Spec;
pub use start::Start;
pub use state::{Document, State};

use crate::container::{ContainerId, Store};
use crate::error::{Error, Result};
use crate::host::Host;

/// A machine and what is known of it: all that verbs without containers need.
#[derive(Debug)]
pub struct Place {
    /// The machine.
    pub host: Host,
    /// `--board`: the board profile, in place of the one that the device tree asks for.
    pub board: Option<String>,
}

/// Where a verb works.
#[derive(Debug)]
pub struct Context {
    /// The machine.
    pub host: Host,
    /// The state directory.
    pub store: Store,
    /// `--board`: the board profile, in place of the one that the device tree asks for.
    pub board: Option<String>,
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
    Logs(Logs),
    Processors(Processors),
    Doctor(Doctor),
    Ps(Ps),
    Features(Features),
    Spec(Spec),
    Check(Check),
}

impl Verb {
    /// Carries it out. `place` and `store` are asked for where they are needed: `features` and `spec` work anywhere;
    /// `check`, `processors` and `doctor` without a state directory.
    ///
    /// # Errors
    /// What the verb says, with the container it was about.
    pub fn run(
        &self,
        place: impl Fn() -> Result<Place>,
        store: impl Fn() -> Result<Store>,
    ) -> Result<ExitCode> {
        let context = || {
            let Place { host, board } = place()?;
            Ok(Context { host, store: store()?, board })
        };
        // What is no id names no container: the error says so itself, escaped and cut.
        let of = |id: &str| {
            let id = ContainerId::new(id).ok();
            move |error: Error| match &id {
                Some(id) => error.of_container(id.as_str()),
                None => error,
            }
        };
        let done = match self {
            Self::Features(args) => features::run(args),
            Self::Spec(args) => spec::run(args),
            Self::Check(args) => return check::run(&place()?, args),
            Self::Processors(args) => processors::run(&place()?, args),
            Self::Doctor(args) => return doctor::run(&place()?, &store(), args),
            Self::List(args) => list::run(&context()?, args),
            Self::Run(args) => return run::run(&context()?, args).map_err(of(&args.id)),
            Self::Create(args) => create::run(&context()?, args).map_err(of(&args.id)),
            Self::Start(args) => start::run(&context()?, args).map_err(of(&args.id)),
            Self::State(args) => state::run(&context()?, args).map_err(of(&args.id)),
            Self::Kill(args) => kill::run(&context()?, args).map_err(of(&args.id)),
            Self::Delete(args) => delete::run(&context()?, args).map_err(of(&args.id)),
            Self::Logs(args) => logs::run(&context()?, args).map_err(of(&args.id)),
            Self::Ps(args) => ps::run(&context()?, args).map_err(of(&args.id)),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// Prints to standard output.
///
/// # Errors
/// When it cannot be written: on a full disk half a document is none.
pub fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    is_read(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())).map(drop)
}

/// Whether somebody reads what was written to standard output: a reader that is gone is no failure of ours.
///
/// # Errors
/// Any other.
pub fn is_read(written: std::io::Result<()>) -> Result<bool> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(|e| Error::io("write to", "the standard output", e)),
    }
}
