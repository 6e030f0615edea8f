//! The command line: what engines and people may write, and what argh makes of it.

mod args;
mod normalise;

pub use args::{Global, LogFormat};
// For tests/fuzz.
#[doc(hidden)]
pub use normalise::{Line, normalise};

use argh::FromArgs;

use crate::PROGRAM;
use crate::commands::Verb;
use crate::error::{Error, Result};

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// Print this and end with 0: help or the version.
    Print(String),
    /// Carry out a verb; without one, the global options alone (an unknown or unsupported verb is in the error).
    Run(Box<Global>, Result<Verb>),
}

/// Verbs of other runtimes that a firmware cannot have, and why.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("exec", "a firmware is a single image, no second program can run in it"),
    ("pause", "remoteproc can start and stop a processor, not pause it"),
    ("resume", "remoteproc can start and stop a processor, not pause it"),
    ("update", "a processor has no cgroup and no resource limits to change"),
    ("events", "a processor has no cgroup to take statistics from"),
    ("checkpoint", "the state of a processor cannot be saved"),
    ("restore", "the state of a processor cannot be saved"),
];

/// Reads a command line (without the program's name).
///
/// # Errors
/// [`Error::Usage`] from a request for help; every other error is in the request, with where to log it.
pub fn parse(args: &[String]) -> Result<Request> {
    let line = normalise(args);
    if line.version {
        return Ok(Request::Print(version()));
    }
    let unsupported = line.verb.as_ref().and_then(|verb| UNSUPPORTED.iter().find(|(name, _)| name == verb));
    if line.help {
        return help(line.verb.filter(|_| unsupported.is_none()));
    }
    let mut global = match from_args::<Global>(&line.global) {
        Ok(global) => global,
        Err(Early::Usage(error)) => return logged(&line.global, error),
        Err(Early::Help(text)) => return Ok(Request::Print(text)),
    };
    let Some(verb) = line.verb else {
        let error = "a verb is missing: create, start, state, kill, delete, run, list, ...";
        return logged(&line.global, Error::Usage(error.to_owned()));
    };
    let parsed = if let Some((verb, why)) = unsupported {
        Err(Error::NotSupported { verb: (*verb).to_owned(), why })
    } else {
        let whole = [vec![verb], line.rest].concat();
        match from_args::<Global>(&whole) {
            Ok(Global { verb: Some(verb), .. }) => Ok(verb),
            Ok(_) => Err(Error::Usage("a verb is missing".to_owned())),
            Err(Early::Usage(error)) => Err(error),
            Err(Early::Help(text)) => return Ok(Request::Print(text)),
        }
    };
    global.verb = None;
    Ok(Request::Run(Box::new(global), parsed))
}

/// An error with as much of the global options as says where it is to be logged.
fn logged(global: &[String], error: Error) -> Result<Request> {
    let value = |name: &str| global.iter().skip_while(|word| *word != name).nth(1).cloned();
    let file = value("--log").map(|file| ["--log".to_owned(), file]);
    let json = value("--log-format").filter(|format| format == "json");
    let format = json.map(|format| ["--log-format".to_owned(), format]);
    match from_args::<Global>(&file.into_iter().chain(format).flatten().collect::<Vec<_>>()) {
        Ok(global) => Ok(Request::Run(Box::new(global), Err(error))),
        Err(_) => Err(error),
    }
}

enum Early {
    Help(String),
    Usage(Error),
}

fn from_args<T: FromArgs>(args: &[String]) -> Result<T, Early> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    T::from_args(&[PROGRAM], &args).map_err(|early| match early.status {
        Ok(()) => Early::Help(early.output.trim_end().to_owned()),
        // argh's first paragraph is the reason; several missing arguments are listed a line each.
        Err(()) => {
            let reason = early.output.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = reason.split_whitespace().collect();
            Early::Usage(Error::Usage(words.join(" ")))
        }
    })
}

fn help(verb: Option<String>) -> Result<Request> {
    let args: Vec<String> = verb.into_iter().chain(["--help".to_owned()]).collect();
    match from_args::<Global>(&args) {
        Err(Early::Help(text)) => Ok(Request::Print(text)),
        Err(Early::Usage(error)) => Err(error),
        Ok(_) => Err(Error::Usage("no help for this".to_owned())),
    }
}

/// The version in runc's form, which docker and podman read.
pub fn version() -> String {
    let commit = option_env!("REMOTEPROC_RUNTIME_COMMIT").unwrap_or("unknown");
    let spec = crate::bundle::OCI_VERSION;
    format!("{PROGRAM} version {}\ncommit: {commit}\nspec: {spec}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn run(text: &str) -> (Box<Global>, Result<Verb>) {
        match parse(&line(text)).unwrap() {
            Request::Run(global, verb) => (global, verb),
            Request::Print(text) => panic!("printed {text}"),
        }
    }

    #[test]
    fn what_engines_write_is_understood() {
        let (global, verb) = run(
            "--root /r --log=/l --log-format json --systemd-cgroup --rootless=true create --bundle=/b --pid-file /p \
             --no-pivot --preserve-fds 0 --bundle /c id",
        );
        assert_eq!((global.root.unwrap().to_str(), global.log.unwrap().to_str()), (Some("/r"), Some("/l")));
        let Ok(Verb::Create(create)) = verb else { panic!("{verb:?}") };
        assert_eq!((create.id.as_str(), create.bundle.to_str()), ("id", Some("/c")), "the last one counts");
    }

    #[test]
    fn a_signal_can_be_an_argument_an_option_or_a_switch() {
        for text in ["kill x 9", "kill --signal 9 x", "kill -9 x", "kill x -9", "kill --all --signal=9 x"] {
            let (_, Ok(Verb::Kill(kill))) = run(text) else { panic!("{text}") };
            assert_eq!((kill.id.as_str(), kill.signal_text()), ("x", "9"), "{text}");
        }
        let (_, Ok(Verb::Kill(kill))) = run("kill x -KILL") else { panic!() };
        assert_eq!(kill.signal_text(), "KILL");
    }

    #[test]
    fn help_and_version_are_printed_wherever_they_stand() {
        for text in ["-h", "--help", "create --help", "--root /x create -h", "kill x --help"] {
            let Request::Print(help) = parse(&line(text)).unwrap() else { panic!("{text}") };
            assert!(help.starts_with("Usage: remoteproc-runtime"), "{text}: {help}");
        }
        for text in ["-v", "--version", "--root /x --version"] {
            let Request::Print(version) = parse(&line(text)).unwrap() else { panic!("{text}") };
            assert!(version.contains("\ncommit: ") && version.contains("\nspec: 1."), "{version}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error() {
        for text in [
            "",
            "--nonsense state x",
            "--root",
            "--log-format xml state x",
            "frobnicate",
            "create",
            "create --nonsense x",
            "state",
            "state a b",
            "create --bundle",
        ] {
            let (_, Err(error)) = run(text) else { panic!("{text}") };
            assert_eq!(error.exit_code(), 2, "{text}: {error}");
        }
    }

    #[test]
    fn verbs_that_a_firmware_cannot_have_say_why_whatever_follows() {
        for (verb, _) in UNSUPPORTED {
            let (_, Err(error)) = run(&format!("--root /r {verb} --process /f --detach x y z")) else {
                panic!()
            };
            assert!(error.to_string().starts_with(&format!("not supported: {verb}: ")), "{error}");
            assert_eq!(error.exit_code(), 1);
        }
    }
}
