//! The verbs, one file each.

mod create;
mod delete;
mod features;
mod kill;
mod list;
mod ps;
mod run;
mod spec;
mod start;
mod state;

use std::process::ExitCode;

use crate::cli::{Global, Verb};
use crate::container::Store;
use crate::error::{Error, Result};
use crate::host::Host;

/// Where a verb works.
#[derive(Debug)]
pub struct Context {
    /// The machine.
    pub host: Host,
    /// The state directory.
    pub store: Store,
}

/// Carries out a verb.
///
/// # Errors
/// What the verb says, with the container it was about.
pub fn run(global: &Global, verb: &Verb) -> Result<ExitCode> {
    // What needs neither a machine nor containers works without them.
    match verb {
        Verb::Features(_) => return features::run().map(done),
        Verb::Spec(args) => return spec::run(args).map(done),
        _ => {}
    }
    let context = Context { host: Host::new(&global.host_root)?, store: Store::new(global.root.as_deref())? };
    let of = |id: &str| {
        let id = id.to_owned();
        move |error: Error| error.of_container(&id)
    };
    match verb {
        Verb::Create(args) => create::run(&context, args).map_err(of(&args.id)).map(done),
        Verb::Start(args) => start::run(&context, &args.id).map_err(of(&args.id)).map(done),
        Verb::State(args) => state::run(&context, &args.id).map_err(of(&args.id)).map(done),
        Verb::Kill(args) => kill::run(&context, args).map_err(of(&args.id)).map(done),
        Verb::Delete(args) => delete::run(&context, args).map_err(of(&args.id)).map(done),
        Verb::Run(args) => run::run(&context, args).map_err(of(&args.id)),
        Verb::Ps(args) => ps::run(&context, args).map_err(of(&args.id)).map(done),
        Verb::List(args) => list::run(&context, args).map(done),
        Verb::Features(_) | Verb::Spec(_) => Ok(ExitCode::SUCCESS),
    }
}

fn done(_: ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// Prints to standard output; a reader that is gone is no failure of ours.
pub fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
