//! docker, whose daemon starts a containerd of its own.

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use super::engine::{Container, Engine, Network, Status};
use super::machine::binary;
use super::podman::{options, path, status};
use super::{Machine, Outcome, eventually};

#[derive(Debug)]
pub struct Docker {
    machine: Machine,
}

impl Docker {
    pub fn new(machine: Machine) -> Self {
        let settings = format!(
            r#"{{
    "runtimes": {{ "remoteproc": {{ "path": "{1}", "runtimeArgs": ["--host-root", "{0}/board"] }} }},
    "data-root": "{0}/data",
    "exec-root": "{0}/exec",
    "pidfile": "{0}/docker.pid",
    "hosts": ["unix://{0}/docker.sock"],
    "storage-driver": "vfs",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "live-restore": true
}}"#,
            machine.scratch().display(),
            binary().display()
        );
        std::fs::write(machine.scratch().join("daemon.json"), settings).unwrap();
        let docker = Self { machine };
        docker.begin();
        for image in ["blink", "bare", "named", "sleeper", "text"] {
            docker.docker(&["load", "--quiet", "--input", path(image).to_str().unwrap()]).ok();
        }
        docker
    }

    /// Starts the daemon, and waits until it answers.
    fn begin(&self) {
        let settings = self.machine.scratch().join("daemon.json");
        self.machine.spawn("dockerd", &["--config-file", settings.to_str().unwrap()], "dockerd.log");
        eventually("docker answers", || self.docker(&["version"]).code == 0);
    }

    fn command(&self) -> Command {
        let mut command = self.machine.command("docker");
        command.arg("--host").arg(self.socket());
        command
    }

    fn socket(&self) -> String {
        format!("unix://{}/docker.sock", self.machine.scratch().display())
    }

    fn docker(&self, args: &[&str]) -> Outcome {
        self.machine.run(self.command(), args)
    }

    fn inspect(&self, name: &str, format: &str) -> String {
        self.docker(&["inspect", "--format", format, name]).ok()
    }

    /// `run` or `create` with the options for a container.
    fn with(&self, verb: &[&str], container: &Container) -> Outcome {
        let mut command = self.command();
        command.args(verb).args(options(container));
        if container.ordinary {
            command.args(["--ulimit", "nofile=1024:1024"]);
        } else {
            command.arg("--runtime=remoteproc");
        }
        if container.network == Network::User {
            self.docker(&["network", "create", "own"]).ok();
        }
        command.arg(format!("localhost/{}", container.image)).args(container.command);
        self.machine.run(command, &[])
    }
}

impl Engine for Docker {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn shell(&self, line: &str) -> Outcome {
        let mut command = self.machine.command("env");
        command.arg(format!("DOCKER_HOST={}", self.socket()));
        self.machine.run(command, &["bash", "-c", line])
    }

    fn create(&self, container: &Container) -> Option<Outcome> {
        Some(self.with(&["create"], container))
    }

    fn run(&self, container: &Container) -> Outcome {
        self.with(&["run", "--detach"], container)
    }

    /// The daemon's own settings have them, for every container.
    fn run_with_flags(&self, _: &Container) -> Option<Outcome> {
        None
    }

    fn build(&self, name: &str, folder: &Path) -> Option<Outcome> {
        let mut command = self.machine.command("env");
        // The builder that is in the daemon: the other one is a program of its own, which Debian has in another package.
        command.args(["DOCKER_BUILDKIT=0", "docker", "--host"]).arg(self.socket());
        let name = format!("localhost/{name}");
        Some(self.machine.run(command, &["build", "--quiet", "--tag", &name, folder.to_str().unwrap()]))
    }

    fn start(&self, name: &str) -> Outcome {
        self.docker(&["start", name])
    }

    fn stop(&self, name: &str) -> Outcome {
        self.docker(&["stop", name])
    }

    fn kill(&self, name: &str, signal: &str) -> Outcome {
        self.docker(&["kill", "--signal", signal, name])
    }

    fn remove(&self, name: &str) -> Outcome {
        self.docker(&["rm", name])
    }

    fn remove_by_force(&self, name: &str) -> Outcome {
        self.docker(&["rm", "--force", name])
    }

    fn pause(&self, name: &str) -> Outcome {
        self.docker(&["pause", name])
    }

    fn exec(&self, name: &str) -> Outcome {
        self.docker(&["exec", name, "/program"])
    }

    fn status(&self, name: &str) -> Status {
        status(&self.inspect(name, "{{.State.Status}}"))
    }

    fn running(&self) -> Vec<String> {
        self.docker(&["ps", "--format", "{{.Names}}"]).ok().lines().map(str::to_owned).collect()
    }

    fn pid(&self, name: &str) -> i32 {
        self.inspect(name, "{{.State.Pid}}").parse().unwrap()
    }

    fn exit_code(&self, name: &str) -> i32 {
        self.inspect(name, "{{.State.ExitCode}}").parse().unwrap()
    }

    fn logs(&self, name: &str) -> String {
        let logs = self.docker(&["logs", name]);
        format!("{}{}", logs.stdout, logs.stderr)
    }

    fn restart(&self, _: &str) {
        let pid = std::fs::read_to_string(self.machine.scratch().join("docker.pid")).unwrap();
        self.machine.kill(pid.trim().parse().unwrap());
        self.begin();
    }

    fn codes_of_a_refusal(&self) -> RangeInclusive<i32> {
        125..=127
    }

    fn has_network(&self, _: Network) -> bool {
        true
    }

    fn unused_options(&self) -> &'static [&'static str] {
        &[
            "--user=1000:1000",
            "--read-only",
            "--volume=/tmp:/data",
            "--volume=named:/more",
            "--env=COLOUR=blue",
            "--memory=64m",
        ]
    }

    fn init_options(&self) -> Option<&'static [&'static str]> {
        Some(&["--init"])
    }
}
