//! An ordinary user of a machine, with the rights that the shipped files give to the group remoteproc.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Machine;
use super::machine::{binary, script, wrapper};

/// What a package installs for the group: the files themselves.
const RULES: &str = include_str!(
    "../../../meta-remoteproc-runtime/recipes-containers/remoteproc-runtime/files/60-remoteproc.rules"
);
const TMPFILES: &str = include_str!(
    "../../../meta-remoteproc-runtime/recipes-containers/remoteproc-runtime/files/remoteproc-runtime.tmpfiles"
);

const NAME: &str = "ada";
const UID: u32 = 4321;
const GROUP: &str = "remoteproc";

/// What an ordinary user may do to processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// A member of the group, and the group has its rights.
    Member,
    /// The group has its rights, and the user is somebody else.
    Stranger,
}

/// The user.
#[derive(Debug)]
pub struct User;

impl User {
    /// Makes the user, the group, and what the files of the package give it. The machine has mounts of its own: nothing
    /// of the host's is changed.
    pub fn new(machine: &Machine, rights: Rights) -> Self {
        let member = if rights == Rights::Member { NAME } else { "" };
        let setting_up = format!(
            r#"set -e
cd {scratch}
chmod 711 .
mkdir -p accounts user /run/user/{UID}
chown {UID}:{UID} user /run/user/{UID}
for file in passwd group subuid subgid; do
    [ -e /etc/$file ] || touch /etc/$file
    cp /etc/$file accounts
    mount --bind accounts/$file /etc/$file
done
echo "{NAME}:x:{UID}:{UID}::{scratch}/user:/bin/sh" >>/etc/passwd
printf '{NAME}:x:{UID}:\n{GROUP}:x:4322:{member}\n' >>/etc/group
for file in subuid subgid; do echo '{NAME}:500000:65536' >/etc/$file; done"#,
            scratch = machine.scratch().display(),
        );
        machine.shell(&setting_up).ok();
        for line in tmpfiles(&machine.host_root()).iter().chain(&rules(machine)) {
            machine.shell(line).ok();
        }
        Self
    }

    /// Where the user's files are.
    pub fn home(&self, machine: &Machine) -> PathBuf {
        machine.scratch().join("user")
    }

    /// Puts the runtime, and a script that knows the board, where the user can execute them.
    pub fn wrap(&self, machine: &Machine) {
        let copy = machine.scratch().join("runtime");
        assert!(Command::new("cp").arg(binary()).arg(&copy).status().unwrap().success());
        let line = format!("exec {} --host-root {} \"$@\"", copy.display(), machine.host_root().display());
        script(&wrapper(machine), &line);
    }

    /// Gives the user what lies in the home.
    pub fn own(&self, machine: &Machine) {
        machine.shell(&format!("chown -R {UID}:{UID} {}", self.home(machine).display())).ok();
    }

    /// A command of the user's, whose arguments are still to come: `env`, without the caller's environment.
    pub fn command(&self, machine: &Machine) -> Command {
        let mut command = machine.command("setpriv");
        let ids = [format!("--reuid={UID}"), format!("--regid={UID}")];
        command.args(ids).args(["--init-groups", "--", "env", "--ignore-environment"]);
        command.args([
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned(),
            format!("HOME={}", self.home(machine).display()),
            format!("XDG_RUNTIME_DIR=/run/user/{UID}"),
        ]);
        // podman looks where it is.
        command.current_dir("/");
        command
    }

    /// The number of the user.
    pub fn uid(&self) -> u32 {
        UID
    }
}

/// What systemd-tmpfiles does with the lines of the file, below the board's root.
fn tmpfiles(root: &Path) -> Vec<String> {
    let lines = TMPFILES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let path = format!("{}{}", root.display(), words[1]);
            match words[..] {
                ["d", _, mode, user, group, "-"] => {
                    format!("mkdir -p {path} && chown {user}:{group} {path} && chmod {mode} {path}")
                }
                ["w", _, "-", "-", "-", "-", argument] => format!("printf %s {argument} >{path}"),
                _ => panic!("a line of another kind: {line}"),
            }
        })
        .collect()
}

/// The commands that udev runs by the rules for each of the board's processors (udev(7), RUN and its substitutions).
fn rules(machine: &Machine) -> Vec<String> {
    let sys = machine.host_root().join("sys");
    let commands = RULES.lines().filter_map(|line| line.strip_prefix("RUN+=\"")?.strip_suffix('"'));
    let devices = machine.shell(&format!("realpath {}/class/remoteproc/remoteproc*", sys.display())).ok();
    let commands: Vec<String> = commands
        .flat_map(|command| {
            devices.lines().map(|device| {
                let path = device.strip_prefix(sys.to_str().unwrap()).unwrap();
                command.replace("%S", sys.to_str().unwrap()).replace("%p", path).replace("$$", "$")
            })
        })
        .collect();
    assert!(!commands.is_empty(), "60-remoteproc.rules runs nothing");
    commands
}
