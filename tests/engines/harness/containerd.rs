//! containerd with its own client, ctr, and the stock shim for runc.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::engine::{Container, Engine, Network, Status};
use super::podman::path;
use super::{Machine, Outcome, eventually, machine};

/// Collects a container's output: its standard output comes in 3, its standard error in 4, and it is ready when 5 is closed.
/// Not `file://`: the shim closes that file at the end of the first of the two, and the last line of the other is lost.
const LOGGER: &str = r#"exec 5>&-
log=${0%/*}/$CONTAINER_ID.log
cat <&3 >>"$log" &
cat <&4 >>"$log"
wait"#;

#[derive(Debug)]
pub struct Containerd {
    machine: Machine,
    /// Exit codes of what has ended: containerd tells one when it forgets the task.
    codes: Mutex<HashMap<String, i32>>,
}

impl Containerd {
    pub fn new(machine: Machine) -> Self {
        machine::wrap(&machine);
        machine::script(machine.scratch().join("logger").to_str().unwrap(), LOGGER);
        let settings = format!(
            r#"version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
address = "{0}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{0}/opt"

[plugins."io.containerd.internal.v1.restart"]
interval = "500ms"
"#,
            machine.scratch().display()
        );
        std::fs::write(machine.scratch().join("containerd.toml"), settings).unwrap();
        let containerd = Self { machine, codes: Mutex::default() };
        containerd.begin();
        for image in ["blink", "bare", "named", "sleeper", "text"] {
            containerd.ctr(&["image", "import", path(image).to_str().unwrap()]).ok();
        }
        containerd
    }

    /// Starts the daemon, and waits until it answers.
    fn begin(&self) {
        let settings = self.machine.scratch().join("containerd.toml");
        self.machine.spawn("containerd", &["--config", settings.to_str().unwrap()], "containerd.log");
        eventually("containerd answers", || self.ctr(&["version"]).code == 0);
    }

    fn command(&self) -> Command {
        let mut command = self.machine.command("ctr");
        command.arg("--address").arg(self.machine.scratch().join("containerd.sock"));
        command
    }

    fn ctr(&self, args: &[&str]) -> Outcome {
        self.machine.run(self.command(), args)
    }

    /// The option by which its shim starts the logger.
    fn logger(&self) -> String {
        format!("--log-uri=binary://{}/logger", self.machine.scratch().display())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.machine.scratch().join(format!("{name}.log"))
    }

    /// What `ctr task ls` says of it: its pid and its status.
    fn task(&self, name: &str) -> Option<(i32, String)> {
        let tasks = self.ctr(&["task", "ls"]).ok();
        tasks.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(name))
                .then(|| (words.next().unwrap().parse().unwrap(), words.next().unwrap().into()))
        })
    }

    /// The options that tell which container it is.
    fn options(&self, container: &Container) -> Vec<String> {
        let runtime = if container.ordinary { "runc".into() } else { machine::wrapper(&self.machine) };
        let mut options = vec!["--runtime=io.containerd.runc.v2".into(), format!("--runc-binary={runtime}")];
        options.extend(container.processor.map(|name| format!("--annotation=remoteproc.name={name}")));
        match container.network {
            Network::None | Network::Default => {}
            Network::Host => options.push("--net-host".into()),
            Network::Of(other) => options.push(format!("--with-ns=network:/proc/{}/ns/net", self.pid(other))),
            other => panic!("ctr has no network like {other:?}"),
        }
        options.extend(container.options.iter().map(|&option| option.to_owned()));
        options
    }

    /// Has containerd forget what has ended, which it does with a word on the exit code, unless that is 0.
    fn forget(&self, name: &str) {
        if self.task(name).is_some() {
            let told = self.ctr(&["task", "rm", name]).stderr;
            let code = told.rsplit_once("exit code ").map_or(0, |(_, code)| {
                code.trim_end()
                    .trim_end_matches('"')
                    .parse()
                    .unwrap_or_else(|_| panic!("no exit code: {told}"))
            });
            self.codes.lock().unwrap().insert(name.to_owned(), code);
        }
    }
}

/// The words after the options.
fn image(container: &Container) -> Vec<String> {
    let mut words = vec![format!("localhost/{}:latest", container.image), container.name.to_owned()];
    words.extend(container.command.map(str::to_owned));
    words
}

impl Engine for Containerd {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn shell(&self, line: &str) -> Outcome {
        let mut command = self.machine.command("env");
        command.arg(format!("CONTAINERD_ADDRESS={}/containerd.sock", self.machine.scratch().display()));
        self.machine.run(command, &["bash", "-c", line])
    }

    /// ctr creates the container of the OCI runtime with its start.
    fn create(&self, _: &Container) -> Option<Outcome> {
        None
    }

    fn run(&self, container: &Container) -> Outcome {
        let mut command = self.command();
        if container.terminal {
            // ctr wants a terminal of its own for that.
            let mut line = vec![command.get_program().to_string_lossy().into_owned()];
            line.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
            line.extend(["run", "--detach", "--tty"].map(str::to_owned));
            line.extend(self.options(container));
            line.extend(image(container));
            let mut script = Command::new("script");
            script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
            return self.machine.run(script, &[]);
        }
        command.args(["run", "--detach"]).args(self.options(container));
        command.arg(self.logger());
        command.args(image(container));
        let outcome = self.machine.run(command, &[]);
        if outcome.code == 0 && container.restart_on_failure {
            // Not before it runs: containerd's restart monitor would take what is being started for what has failed.
            let labels = ["status=running", "policy=on-failure:5"]
                .map(|label| format!("containerd.io/restart.{label}"));
            self.ctr(&["container", "label", container.name, &labels[0], &labels[1]]).ok();
        }
        outcome
    }

    fn run_with_flags(&self, _: &Container) -> Option<Outcome> {
        None
    }

    fn build(&self, _: &str, _: &Path) -> Option<Outcome> {
        None
    }

    fn start(&self, name: &str) -> Outcome {
        self.forget(name);
        self.ctr(&["task", "start", "--detach", &self.logger(), name])
    }

    /// ctr has a kill alone.
    fn stop(&self, name: &str) -> Outcome {
        let killed = self.ctr(&["task", "kill", name]);
        if killed.code == 0 {
            eventually("the task has stopped", || self.status(name) == Status::Exited);
        }
        killed
    }

    fn kill(&self, name: &str, signal: &str) -> Outcome {
        self.ctr(&["task", "kill", "--signal", signal, name])
    }

    fn remove(&self, name: &str) -> Outcome {
        self.forget(name);
        self.ctr(&["container", "rm", name])
    }

    fn remove_by_force(&self, name: &str) -> Outcome {
        if self.task(name).is_some() {
            self.ctr(&["task", "rm", "--force", name]);
        }
        self.ctr(&["container", "rm", name])
    }

    fn pause(&self, name: &str) -> Outcome {
        self.ctr(&["task", "pause", name])
    }

    fn exec(&self, name: &str) -> Outcome {
        self.ctr(&["task", "exec", "--exec-id", "second", name, "/program"])
    }

    fn status(&self, name: &str) -> Status {
        match self.task(name).as_ref().map(|(_, status)| status.as_str()) {
            Some("RUNNING") => Status::Running,
            Some("STOPPED") => Status::Exited,
            Some("CREATED") => Status::Created,
            None if self.codes.lock().unwrap().contains_key(name) => Status::Exited,
            None => Status::Created,
            Some(other) => panic!("a task that is {other}"),
        }
    }

    fn running(&self) -> Vec<String> {
        let tasks = self.ctr(&["task", "ls"]).ok();
        let running = tasks.lines().filter(|line| line.ends_with("RUNNING"));
        running.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    }

    fn pid(&self, name: &str) -> i32 {
        self.task(name).expect("a task").0
    }

    fn exit_code(&self, name: &str) -> i32 {
        self.forget(name);
        self.codes.lock().unwrap()[name]
    }

    fn logs_terminals(&self) -> bool {
        // Who is detached from a terminal does not get its output.
        false
    }

    fn logs(&self, name: &str) -> String {
        std::fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn restart(&self, _: &str) {
        let pid = self.machine.shell("pgrep -x containerd").ok().parse().unwrap();
        self.machine.kill(pid);
        self.begin();
    }

    fn codes_of_a_refusal(&self) -> RangeInclusive<i32> {
        1..=1
    }

    fn has_network(&self, network: Network) -> bool {
        !matches!(network, Network::User | Network::Published)
    }

    fn unused_options(&self) -> &'static [&'static str] {
        &[
            "--read-only",
            "--mount=type=bind,src=/tmp,dst=/data,options=rbind:ro",
            "--env=COLOUR=blue",
            "--memory-limit=67108864",
        ]
    }

    fn init_options(&self) -> Option<&'static [&'static str]> {
        None
    }
}
