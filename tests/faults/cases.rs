//! What is followed call by call: each verb, and the proxy and the helper at each stage of their lives.

use std::process::Command;

use rustix::fs::OFlags;

use crate::harness::{Machine, Outcome, eventually};
use crate::tracer::{self, Followed, Plan, Whose};

/// The container.
pub const ID: &str = "x";

/// In which state the container is before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Before {
    Absent,
    Created,
    Running,
    Stopped,
    /// Its proxy was killed: the processor runs on.
    Orphaned,
    /// Its create was killed behind the storing of the firmware.
    Remains,
}

/// What was done when the verb says that it was, and how it looks when nothing was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing changes.
    Looks,
    Creates,
    Starts,
    /// Starts what it creates.
    Runs,
    Stops,
    Deletes,
}

/// Whose calls are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    Verb,
    /// The process that the verb starts.
    Child,
    /// The container's proxy, while the verb runs.
    Proxy,
    /// The same, while its processor crashes.
    ProxyInCrash,
}

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub before: Before,
    pub verb: &'static [&'static str],
    pub subject: Subject,
    pub effect: Effect,
}

const fn verb(name: &'static str, before: Before, verb: &'static [&'static str], effect: Effect) -> Case {
    Case { name, before, verb, subject: Subject::Verb, effect }
}

const fn part(
    name: &'static str,
    before: Before,
    verb: &'static [&'static str],
    effect: Effect,
    subject: Subject,
) -> Case {
    Case { name, before, verb, subject, effect }
}

const CREATE: &[&str] = &["create", "--bundle", "bundle", "--pid-file", "pid-file", ID];

pub const CASES: &[Case] = &[
    verb("create", Before::Absent, CREATE, Effect::Creates),
    verb("create over remains", Before::Remains, CREATE, Effect::Creates),
    verb("start", Before::Created, &["start", ID], Effect::Starts),
    verb("run --detach", Before::Absent, &["run", "--detach", "--bundle", "bundle", ID], Effect::Runs),
    verb("state", Before::Running, &["state", ID], Effect::Looks),
    verb("list", Before::Running, &["list"], Effect::Looks),
    verb("ps", Before::Running, &["ps", ID], Effect::Looks),
    verb("logs", Before::Running, &["logs", ID], Effect::Looks),
    verb("kill", Before::Running, &["kill", ID], Effect::Stops),
    verb("kill a created one", Before::Created, &["kill", ID], Effect::Stops),
    verb("kill KILL", Before::Running, &["kill", ID, "KILL"], Effect::Stops),
    verb("delete", Before::Stopped, &["delete", ID], Effect::Deletes),
    verb("delete an orphaned one", Before::Orphaned, &["delete", ID], Effect::Deletes),
    verb("delete --force", Before::Running, &["delete", "--force", ID], Effect::Deletes),
    verb("delete --force of remains", Before::Remains, &["delete", "--force", ID], Effect::Deletes),
    part("proxy: set-up", Before::Absent, CREATE, Effect::Creates, Subject::Child),
    part("proxy: start", Before::Created, &["start", ID], Effect::Starts, Subject::Proxy),
    part("proxy: stop", Before::Running, &["kill", ID], Effect::Stops, Subject::Proxy),
    part("proxy: end before start", Before::Created, &["kill", ID], Effect::Stops, Subject::Proxy),
    part("proxy: crash", Before::Running, &[], Effect::Stops, Subject::ProxyInCrash),
    part("helper: kill KILL", Before::Running, &["kill", ID, "KILL"], Effect::Stops, Subject::Child),
    part("helper: delete", Before::Orphaned, &["delete", ID], Effect::Deletes, Subject::Child),
];

/// A machine with one processor and one bundle, whose settings are to be changed too.
#[derive(Debug)]
pub struct Place {
    pub machine: Machine,
    bundle: String,
    pid_file: String,
}

impl Place {
    pub fn new() -> Self {
        let machine = Machine::stm32mp15();
        let bundle = machine.bundle(ID, "m4");
        bundle.annotate("remoteproc.recovery", "disabled");
        bundle.annotate("remoteproc.coredump", "enabled");
        let pid_file = machine.scratch().join("pid").to_str().unwrap().to_owned();
        Self { bundle: bundle.path.to_str().unwrap().to_owned(), pid_file, machine }
    }

    pub fn command(&self, verb: &[&str]) -> Command {
        let args: Vec<&str> = verb
            .iter()
            .map(|word| match *word {
                "bundle" => &self.bundle,
                "pid-file" => &self.pid_file,
                word => word,
            })
            .collect();
        self.machine.command(&args)
    }

    pub fn run(&self, verb: &[&str]) -> Outcome {
        Outcome::of(self.command(verb), self.machine.scratch())
    }

    pub fn create(&self) -> Outcome {
        self.run(CREATE)
    }

    /// The firmware's file is there, and nothing but that and the note of it.
    fn leave_remains(&self) {
        self.create().ok();
        let stored = self.machine.firmware_of(ID);
        let directory = self.machine.state_root().join(ID);
        crate::harness::send(self.machine.pid(ID), "KILL");
        self.machine.await_status(ID, "stopped");
        assert!(stored.exists());
        std::fs::remove_file(directory.join("record.json")).unwrap();
    }

    pub fn prepare(&self, before: Before) {
        match before {
            Before::Absent => {}
            Before::Remains => self.leave_remains(),
            Before::Created => drop(self.create().ok()),
            Before::Running | Before::Stopped | Before::Orphaned => {
                self.create().ok();
                self.run(&["start", ID]).ok();
            }
        }
        match before {
            Before::Stopped => drop(self.run(&["kill", ID]).ok()),
            Before::Orphaned => {
                crate::harness::send(self.machine.pid(ID), "KILL");
                self.machine.await_status(ID, "stopped");
            }
            _ => {}
        }
    }

    /// Runs the case's verb, or what stands for it.
    pub fn play(&self, case: &Case, plan: Option<Plan>) -> (Followed, Outcome) {
        let directory = self.machine.scratch();
        let whose = match case.subject {
            Subject::Verb => Whose::Command,
            Subject::Child => Whose::Child,
            Subject::Proxy => return tracer::attach(self.machine.pid(ID), plan, || self.run(case.verb)),
            Subject::ProxyInCrash => {
                return tracer::attach(self.machine.pid(ID), plan, || {
                    self.machine.crash(0);
                    // Its end is what is waited for.
                    eventually("the container has stopped", || self.machine.status(ID) == "stopped");
                    self.run(&["state", ID])
                });
            }
        };
        tracer::run(&self.command(case.verb), directory, whose, plan)
    }

    /// Takes away what engines remove themselves.
    pub fn forget_pid_file(&self) {
        let _ = rustix::fs::unlink(&self.pid_file);
    }

    /// Whether the pid file is there, whole.
    pub fn has_pid_file(&self) -> bool {
        rustix::fs::open(&self.pid_file, OFlags::RDONLY, rustix::fs::Mode::empty()).is_ok()
    }
}
