//! A program that reads its arguments and prints a line, and uses what its features say, in the way that the runtime does.
//! The difference in size is what a dependency costs: `cross/weigh` builds it once for each.
#![allow(clippy::print_stdout)]

fn main() {
    let argument = std::env::args().nth(1).unwrap_or_default();
    println!("{argument}");
    #[cfg(feature = "argh")]
    argh::use_it(&argument);
    #[cfg(feature = "env_logger")]
    env_logger::use_it(&argument);
    #[cfg(feature = "heapless")]
    heapless::use_it(&argument);
    #[cfg(feature = "humantime")]
    humantime::use_it();
    #[cfg(feature = "oci-spec")]
    oci_spec::use_it(&argument);
    #[cfg(feature = "rustix")]
    rustix::use_it(&argument);
    #[cfg(feature = "serde_json")]
    serde_json::use_it(&argument);
    #[cfg(feature = "basic-toml")]
    println!("{:?}", basic_toml::from_str::<toml_schema::Board>(&argument));
    #[cfg(feature = "toml")]
    println!("{:?}", toml::from_str::<toml_schema::Board>(&argument));
    #[cfg(feature = "toml-span")]
    println!("{:?}", toml_span::parse(&argument).map(|value| value.as_table().is_some()));
    #[cfg(feature = "toml_parser")]
    println!("{:?}", toml_tree::parse(&argument));
}

/// Two verbs with options and help.
#[cfg(feature = "argh")]
mod argh {
    use ::argh::FromArgs;

    /// runs firmware
    #[derive(FromArgs)]
    struct Line {
        /// state directory
        #[argh(option)]
        root: Option<std::path::PathBuf>,
        #[argh(subcommand)]
        verb: Verb,
    }

    #[derive(FromArgs)]
    #[argh(subcommand)]
    enum Verb {
        Create(Create),
        Kill(Kill),
    }

    /// create a container
    #[derive(FromArgs)]
    #[argh(subcommand, name = "create", help_triggers("-h", "--help"))]
    struct Create {
        /// bundle
        #[argh(option, short = 'b', default = "String::from(\".\")")]
        bundle: String,
        /// container id
        #[argh(positional)]
        id: String,
    }

    /// kill a container
    #[derive(FromArgs)]
    #[argh(subcommand, name = "kill", help_triggers("-h", "--help"))]
    struct Kill {
        /// all of it
        #[argh(switch)]
        all: bool,
        /// container id
        #[argh(positional)]
        id: String,
    }

    pub fn use_it(argument: &str) {
        match Line::from_args(&["program"], &argument.split(' ').collect::<Vec<_>>()) {
            Ok(Line { root, verb: Verb::Create(Create { bundle, id }) }) => {
                println!("{root:?} {bundle} {id}")
            }
            Ok(Line { root, verb: Verb::Kill(Kill { all, id }) }) => println!("{root:?} {all} {id}"),
            Err(exit) => println!("{}", exit.output),
        }
    }
}

/// Lines to standard error in a form of our own.
#[cfg(feature = "env_logger")]
mod env_logger {
    use std::io::Write;

    pub fn use_it(argument: &str) {
        let mut builder = ::env_logger::Builder::new();
        builder
            .parse_filters(argument)
            .format(|out, record| writeln!(out, "{}: {}", record.level(), record.args()));
        builder.init();
        log::warn!("{argument}");
    }
}

/// A line in a buffer of fixed size.
#[cfg(feature = "heapless")]
mod heapless {
    use std::fmt::Write;

    pub fn use_it(argument: &str) {
        let mut line = ::heapless::String::<512>::new();
        let cut = write!(line, "booted {argument}").is_err();
        println!("{line} {cut}");
    }
}

/// The time in a record and in a log line.
#[cfg(feature = "humantime")]
mod humantime {
    pub fn use_it() {
        println!("{}", ::humantime::format_rfc3339_seconds(std::time::SystemTime::now()));
    }
}

/// A whole config read with the specification's types, as the runtime does not.
#[cfg(feature = "oci-spec")]
mod oci_spec {
    pub fn use_it(argument: &str) {
        let config: Result<::oci_spec::runtime::Spec, _> = ::serde_json::from_str(argument);
        println!("{}", config.is_ok_and(|config| config.process().is_some()));
    }
}

/// A file opened below a directory, locked, and waited for.
#[cfg(feature = "rustix")]
mod rustix {
    use ::rustix::event::{PollFd, PollFlags, poll};
    use ::rustix::fs::{CWD, FlockOperation, Mode, OFlags, ResolveFlags, flock, openat2};
    use ::rustix::process::{PidfdFlags, getpid, pidfd_open};

    pub fn use_it(argument: &str) {
        let done = (|| {
            let file = openat2(CWD, argument, OFlags::RDONLY, Mode::empty(), ResolveFlags::IN_ROOT)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            let process = pidfd_open(getpid(), PidfdFlags::empty())?;
            poll(&mut [PollFd::new(&process, PollFlags::IN)], None)
        })();
        println!("{done:?}");
    }
}

/// The part of a config that is read, and a record that is written.
#[cfg(feature = "serde_json")]
mod serde_json {
    use std::collections::BTreeMap;

    use ::serde::{Deserialize, Serialize};
    use ::serde_json::value::RawValue;

    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Config<'a> {
        oci_version: String,
        annotations: BTreeMap<String, String>,
        pid: Option<i32>,
        #[serde(borrow)]
        hooks: Option<&'a RawValue>,
    }

    pub fn use_it(argument: &str) {
        match ::serde_json::from_str::<Config<'_>>(argument) {
            Ok(config) => println!("{}", ::serde_json::to_string_pretty(&config).unwrap_or_default()),
            Err(error) => println!("{error}"),
        }
    }
}

/// A part of a board profile, as serde would read it.
#[cfg(any(feature = "basic-toml", feature = "toml"))]
#[allow(dead_code)]
mod toml_schema {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    pub struct Board {
        pub name: String,
        pub compatible: Vec<String>,
        pub processor: Vec<Processor>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    pub struct Processor {
        pub aliases: Vec<String>,
        pub device: Option<String>,
        pub windows: Option<Vec<Window>>,
        pub stop_timeout: Option<u32>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Window {
        pub name: String,
        pub address: u64,
        #[serde(default)]
        pub reserved: bool,
    }
}

/// The tree that the runtime makes of a profile.
#[cfg(feature = "toml_parser")]
#[path = "../../src/board/toml.rs"]
mod toml_tree;
