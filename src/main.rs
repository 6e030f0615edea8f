//! The program: a command line becomes a verb, and its failure an exit code.

// As in the library.
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

use std::process::ExitCode;

use remoteproc_runtime::cli::{self, Global, LogFormat, Request};
use remoteproc_runtime::commands::{self, Place, Verb};
use remoteproc_runtime::container::Store;
use remoteproc_runtime::error::{Error, Result};
use remoteproc_runtime::host::Host;
use remoteproc_runtime::logging;
use remoteproc_runtime::proxy::{self, Internal};

fn main() -> ExitCode {
    let args = match arguments() {
        Ok(args) => args,
        Err(error) => return fail(&error),
    };
    match Internal::parse(&args) {
        Some(Internal::Proxy(args)) => proxy::resident(&args),
        Some(Internal::Release(args)) => proxy::release_helper(&args),
        None => command(&args),
    }
}

/// Carries out what the command line asks for. A function of its own, since a proxy keeps the stack that `main` takes.
#[inline(never)]
fn command(args: &[String]) -> ExitCode {
    match cli::parse(args) {
        Ok(Request::Print(text)) => {
            commands::print(&format!("{text}\n")).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Ok(Request::Run(global, verb)) => {
            start_logging(&global);
            let place = || Ok(Place { host: Host::new(&global.host_root)?, board: global.board.clone() });
            let store = || Store::new(global.root.as_deref());
            match verb.and_then(|verb: Verb| verb.run(place, store)) {
                Ok(code) => code,
                Err(error) => fail(&error),
            }
        }
        Err(error) => fail(&error),
    }
}

/// The command line as text: no path or id that cannot be shown to a user is taken.
fn arguments() -> Result<Vec<String>> {
    std::env::args_os()
        .skip(1)
        .map(|arg| arg.into_string().map_err(|arg| Error::Usage(format!("argument {arg:?} is not UTF-8"))))
        .collect()
}

fn start_logging(global: &Global) {
    logging::start(logging::Settings {
        file: global.log.as_deref(),
        json: global.log_format == LogFormat::Json,
        level: global.log_level,
        debug: global.debug,
    });
}

fn fail(error: &Error) -> ExitCode {
    logging::failure(error);
    ExitCode::from(error.exit_code())
}
