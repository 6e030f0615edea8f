//! The seam between scenarios and engines.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use super::containerd::Containerd;
use super::docker::Docker;
use super::podman::Podman;
use super::user::{Rights, User};
use super::{Machine, Outcome, PATIENCE, eventually, settings};

/// What a scenario asks an engine to run.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    pub name: &'a str,
    /// An image of tests/engines/run: blink, bare, sleeper; named, which is blink and says that it is for m4.
    pub image: &'a str,
    /// The processor; without one, the annotation is not given.
    pub processor: Option<&'a str>,
    /// Run by runc, as an ordinary container of the same engine.
    pub ordinary: bool,
    pub network: Network<'a>,
    pub terminal: bool,
    pub restart_on_failure: bool,
    /// The program, in place of the image's own.
    pub command: Option<&'a str>,
    /// Further options of the engine's own.
    pub options: &'a [&'a str],
}

/// What a container is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    None,
    /// What it gets without a word.
    Default,
    /// A network that was made for the occasion.
    User,
    /// The default one, and a port of the host that leads into it.
    Published,
    Host,
    /// That of another container.
    Of(&'a str),
}

impl<'a> Container<'a> {
    /// The firmware blink on processor m4, without a network.
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            image: "blink",
            processor: Some("m4"),
            ordinary: false,
            network: Network::None,
            terminal: false,
            restart_on_failure: false,
            command: None,
            options: &[],
        }
    }

    /// A program that waits, run by runc.
    pub fn ordinary(name: &'a str) -> Self {
        Self { image: "sleeper", processor: None, ordinary: true, ..Self::named(name) }
    }
}

/// What an engine says a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Exited,
}

/// An engine with files of its own, on the machine of one scenario.
pub trait Engine {
    fn machine(&self) -> &Machine;

    /// Runs a line of the shell, where the engine's own commands find this engine.
    fn shell(&self, line: &str) -> Outcome;

    /// Creates it; none if this engine has no such command.
    fn create(&self, container: &Container) -> Option<Outcome>;

    /// Creates and starts it, and does not wait for its end.
    fn run(&self, container: &Container) -> Outcome;

    /// The same with the runtime itself, which this engine tells by flags where the board is; none if it has none.
    fn run_with_flags(&self, container: &Container) -> Option<Outcome>;

    /// Builds the image localhost/NAME from a folder with a Dockerfile; none if this engine cannot.
    fn build(&self, name: &str, folder: &Path) -> Option<Outcome>;

    /// Whether annotations of an image become those of its containers.
    fn takes_over_annotations(&self) -> bool {
        false
    }

    /// Starts one that was created, or has ended.
    fn start(&self, name: &str) -> Outcome;

    /// Ends it in the engine's gentle way.
    fn stop(&self, name: &str) -> Outcome;

    fn kill(&self, name: &str, signal: &str) -> Outcome;

    /// Removes one that has ended.
    fn remove(&self, name: &str) -> Outcome;

    /// Removes it, whatever it is doing.
    fn remove_by_force(&self, name: &str) -> Outcome;

    fn pause(&self, name: &str) -> Outcome;

    /// Runs another program in it.
    fn exec(&self, name: &str) -> Outcome;

    fn status(&self, name: &str) -> Status;

    /// The names in the engine's list of what runs.
    fn running(&self) -> Vec<String>;

    /// The pid of its process, by its number in the machine.
    fn pid(&self, name: &str) -> i32;

    /// Its exit code, once it has ended.
    fn exit_code(&self, name: &str) -> i32;

    /// What it has written.
    fn logs(&self, name: &str) -> String;

    /// Whether it keeps what a container writes to its terminal, too.
    fn logs_terminals(&self) -> bool {
        true
    }

    /// What watches over containers is killed, and comes back if it is a daemon.
    fn restart(&self, name: &str);

    /// The exit codes of `run` for what the runtime refuses.
    fn codes_of_a_refusal(&self) -> RangeInclusive<i32>;

    /// Whether it has such networks.
    fn has_network(&self, network: Network) -> bool;

    /// The options with which a container gets a user, a read-only root, a volume and a variable.
    fn unused_options(&self) -> &'static [&'static str];

    /// The options that put an init before the program, if there are any.
    fn init_options(&self) -> Option<&'static [&'static str]>;

    /// Waits until it has ended; its exit code.
    #[track_caller]
    fn ended(&self, name: &str) -> i32 {
        eventually(&format!("{name} has ended"), || self.status(name) == Status::Exited);
        self.exit_code(name)
    }

    /// Waits until it has written `words`: engines copy the log at their own pace.
    #[track_caller]
    fn await_log(&self, name: &str, words: &str) {
        let begin = Instant::now();
        while !self.logs(name).contains(words) {
            assert!(begin.elapsed() < PATIENCE, "{words:?} is not in the log: {}", self.logs(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs blink on m4.
    #[track_caller]
    fn running_blink(&self, name: &str) {
        self.run(&Container::named(name)).ok();
        assert_eq!(self.machine().processor(), "running");
    }
}

/// The engine that was asked for, on a machine of its own.
pub fn engine() -> Box<dyn Engine> {
    let machine = Machine::new();
    match settings().engine.split('-').next().unwrap() {
        "podman" => Box::new(Podman::new(machine)),
        "containerd" => Box::new(Containerd::new(machine)),
        "docker" => Box::new(Docker::new(machine)),
        other => panic!("ENGINE={other}: which engine is this?"),
    }
}

/// The engine in the hands of an ordinary user, on a machine of its own; none if it takes root.
pub fn rootless(rights: Rights) -> Option<Podman> {
    if !settings().engine.starts_with("podman") {
        println!("skipped: this engine takes root");
        return None;
    }
    let machine = Machine::new();
    if machine.shell("command -v newuidmap").code != 0 {
        println!("skipped: podman without root needs newuidmap");
        return None;
    }
    let user = User::new(&machine, rights);
    Some(Podman::rootless(machine, user))
}
