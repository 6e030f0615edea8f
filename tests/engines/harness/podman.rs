//! podman, with storage and settings of its own, as root or as an ordinary user.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine::{Container, Engine, Network, Status};
use super::machine::{binary, settings};
use super::user::User;
use super::{Machine, Outcome, machine};

#[derive(Debug)]
pub struct Podman {
    machine: Machine,
    /// Who calls it; nobody but root without.
    user: Option<User>,
}

impl Podman {
    pub fn new(machine: Machine) -> Self {
        machine::wrap(&machine);
        Self::of(machine, None)
    }

    /// Called by an ordinary user.
    pub fn rootless(machine: Machine, user: User) -> Self {
        user.wrap(&machine);
        Self::of(machine, Some(user))
    }

    fn of(machine: Machine, user: Option<User>) -> Self {
        let place = user.as_ref().map_or_else(|| machine.scratch().to_owned(), |user| user.home(&machine));
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/storage\"\nrunroot = \"{0}/run\"\n",
            place.display()
        );
        // A user's lie where podman looks without being told: what it starts later is told nothing.
        let folder = if user.is_some() { place.join(".config/containers") } else { place.clone() };
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("storage.conf"), storage).unwrap();
        let settings_file = format!(
            r#"[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{0}/tmp"
static_dir = "{0}/storage/libpod"
volume_path = "{0}/storage/volumes"

[engine.runtimes]
remoteproc = ["{1}"]

[containers]
log_driver = "k8s-file"

[network]
network_config_dir = "{0}/networks"
"#,
            place.display(),
            machine::wrapper(&machine)
        );
        std::fs::write(folder.join("containers.conf"), settings_file).unwrap();
        let podman = Self { machine, user };
        if let Some(user) = &podman.user {
            user.own(&podman.machine);
        }
        let images: &[_] =
            if podman.user.is_some() { &["blink"] } else { &["blink", "bare", "named", "sleeper", "text"] };
        for image in images {
            podman.podman(&["load", "--quiet", "--input", path(image).to_str().unwrap()]).ok();
        }
        podman
    }

    /// Who calls it, if that is not root.
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The runtime itself, called by whoever calls podman.
    pub fn runtime(&self, args: &[&str]) -> Outcome {
        let mut command = self
            .user
            .as_ref()
            .map_or_else(|| self.machine.command("env"), |user| user.command(&self.machine));
        command.arg(machine::wrapper(&self.machine));
        self.machine.run(command, args)
    }

    /// `env` with where the settings are; the program is still to come.
    fn environment(&self) -> Command {
        if let Some(user) = &self.user {
            return user.command(&self.machine);
        }
        let mut command = self.machine.command("env");
        for (name, file) in
            [("CONTAINERS_CONF", "containers.conf"), ("CONTAINERS_STORAGE_CONF", "storage.conf")]
        {
            command.arg(format!("{name}={}", self.machine.scratch().join(file).display()));
        }
        command
    }

    fn command(&self) -> Command {
        let mut command = self.environment();
        command.arg("podman");
        command
    }

    fn podman(&self, args: &[&str]) -> Outcome {
        self.machine.run(self.command(), args)
    }

    fn inspect(&self, name: &str, format: &str) -> String {
        self.podman(&["inspect", "--format", format, name]).ok()
    }

    /// `run` or `create` with the options for a container.
    fn with(&self, verb: &[&str], container: &Container) -> Outcome {
        let mut command = self.command();
        command.args(["--runtime", if container.ordinary { "runc" } else { "remoteproc" }]);
        command.args(verb).args(options(container));
        if container.ordinary {
            // Whoever may not raise limits is still able to run it.
            command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        }
        if container.network == Network::User {
            self.podman(&["network", "create", "own"]).ok();
        }
        command.arg(format!("localhost/{}", container.image)).args(container.command);
        self.machine.run(command, &[])
    }
}

/// An image's archive.
pub fn path(image: &str) -> PathBuf {
    settings().files.join(format!("{image}.tar"))
}

/// The options that podman and docker have in common.
pub fn options(container: &Container) -> Vec<String> {
    let mut options = vec!["--name".to_owned(), container.name.to_owned()];
    let network = match container.network {
        Network::None => Some("none".to_owned()),
        Network::Host => Some("host".to_owned()),
        Network::User => Some("own".to_owned()),
        Network::Of(other) => Some(format!("container:{other}")),
        Network::Default | Network::Published => None,
    };
    options.extend(network.map(|network| format!("--network={network}")));
    if container.network == Network::Published {
        options.push("--publish=8080:80".into());
    }
    options.extend(container.processor.map(|name| format!("--annotation=remoteproc.name={name}")));
    if container.terminal {
        options.push("--tty".into());
    }
    if container.restart_on_failure {
        options.push("--restart=on-failure:5".into());
    }
    options.extend(container.options.iter().map(|&option| option.to_owned()));
    options
}

/// What podman and docker call it.
pub fn status(word: &str) -> Status {
    match word {
        // An engine that lost its monitor, or has just started one.
        "created" | "configured" | "initialized" => Status::Created,
        "running" => Status::Running,
        "exited" | "stopped" => Status::Exited,
        other => panic!("a container that is {other}"),
    }
}

impl Engine for Podman {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn shell(&self, line: &str) -> Outcome {
        self.machine.run(self.environment(), &["bash", "-c", line])
    }

    fn create(&self, container: &Container) -> Option<Outcome> {
        Some(self.with(&["create"], container))
    }

    fn run(&self, container: &Container) -> Outcome {
        self.with(&["run", "--detach"], container)
    }

    fn run_with_flags(&self, container: &Container) -> Option<Outcome> {
        let mut command = self.command();
        let flag = format!("--runtime-flag=host-root={}", self.machine.host_root().display());
        command.arg("--runtime").arg(binary()).arg(flag).args(["run", "--detach"]).args(options(container));
        Some(self.machine.run(command, &[&format!("localhost/{}", container.image)]))
    }

    fn build(&self, name: &str, folder: &Path) -> Option<Outcome> {
        Some(self.podman(&["build", "--quiet", "--tag", name, folder.to_str().unwrap()]))
    }

    fn takes_over_annotations(&self) -> bool {
        // 5.4 does no longer.
        self.podman(&["--version"]).ok().contains(" version 4.")
    }

    fn start(&self, name: &str) -> Outcome {
        self.podman(&["start", name])
    }

    fn stop(&self, name: &str) -> Outcome {
        self.podman(&["stop", name])
    }

    fn kill(&self, name: &str, signal: &str) -> Outcome {
        self.podman(&["kill", "--signal", signal, name])
    }

    fn remove(&self, name: &str) -> Outcome {
        self.podman(&["rm", name])
    }

    fn remove_by_force(&self, name: &str) -> Outcome {
        self.podman(&["rm", "--force", name])
    }

    fn pause(&self, name: &str) -> Outcome {
        self.podman(&["pause", name])
    }

    fn exec(&self, name: &str) -> Outcome {
        self.podman(&["exec", name, "/program"])
    }

    fn status(&self, name: &str) -> Status {
        status(&self.inspect(name, "{{.State.Status}}"))
    }

    fn running(&self) -> Vec<String> {
        self.podman(&["ps", "--format", "{{.Names}}"]).ok().lines().map(str::to_owned).collect()
    }

    fn pid(&self, name: &str) -> i32 {
        self.inspect(name, "{{.State.Pid}}").parse().unwrap()
    }

    fn exit_code(&self, name: &str) -> i32 {
        self.inspect(name, "{{.State.ExitCode}}").parse().unwrap()
    }

    fn logs(&self, name: &str) -> String {
        let logs = self.podman(&["logs", name]);
        format!("{}{}", logs.stdout, logs.stderr)
    }

    /// There is no daemon; but each container has a monitor.
    fn restart(&self, name: &str) {
        self.machine.kill(self.inspect(name, "{{.State.ConmonPid}}").parse().unwrap());
    }

    fn codes_of_a_refusal(&self) -> RangeInclusive<i32> {
        126..=126
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
        // Any file will do: it is never started.
        Some(&["--init", "--init-path=/bin/sh"])
    }
}
