//! The network namespace of the proxy: engines put interfaces into it, so it must be the one that they mean.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Bundle, Companion, Machine, Outcome, copy_binary, eventually, skipped_without_root};

/// A user without rights, on every Linux.
const NOBODY: u32 = 65534;

/// Which network namespace a process is in.
fn network_of(pid: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

/// A bundle called x with these namespaces.
fn bundle(machine: &Machine, namespaces: &Value) -> Bundle {
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["linux"] = json!({ "namespaces": namespaces }));
    bundle
}

/// The network namespace of a container x with these namespaces, which is also started and deleted.
#[track_caller]
fn network_with(machine: &Machine, namespaces: &Value) -> PathBuf {
    machine.create("x", &bundle(machine, namespaces)).ok();
    let network = network_of(&machine.pid("x").to_string());
    machine.run(&["start", "x"]).ok();
    assert_eq!(network_of(&machine.pid("x").to_string()), network);
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    network
}

/// A process in a network namespace of its own.
fn elsewhere() -> Companion {
    let mut command = Command::new("unshare");
    command.args(["--net", "sleep", "1000"]).stdin(Stdio::null());
    let companion = Companion(command.spawn().unwrap());
    let pid = companion.0.id().to_string();
    eventually("the companion is in its own network", || network_of(&pid) != network_of("self"));
    companion
}

#[test]
fn not_listed_it_is_the_callers() {
    let machine = Machine::stm32mp15();
    for namespaces in [json!([]), json!([{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }])] {
        assert_eq!(network_with(&machine, &namespaces), network_of("self"), "{namespaces}");
    }
}

#[test]
fn listed_without_a_path_it_is_a_fresh_one() {
    if skipped_without_root("a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let mut seen = vec![network_of("self")];
    // Held, so that the kernel does not give its number to the next one.
    let mut held = Vec::new();
    for namespaces in [json!([{ "type": "network" }]), json!([{ "type": "network", "path": "" }])] {
        machine.create("x", &bundle(&machine, &namespaces)).ok();
        let pid = machine.pid("x").to_string();
        held.push(std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap());
        assert!(!seen.contains(&network_of(&pid)), "{namespaces}");
        seen.push(network_of(&pid));
        let devices = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
        assert_eq!(
            devices.lines().skip(2).filter(|line| !line.trim().starts_with("lo:")).count(),
            0,
            "{devices}"
        );
        machine.run(&["start", "x"]).ok();
        // The kernel's log and the board are seen from there as well.
        machine.crash(0);
        eventually("the processor has recovered", || machine.processor() == "running");
        machine.run(&["kill", "x"]).ok();
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn listed_with_a_path_it_is_that_one() {
    if skipped_without_root("a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let companion = elsewhere();
    let pid = companion.0.id().to_string();
    let path = format!("/proc/{pid}/ns/net");
    let namespaces = json!([{ "type": "ipc" }, { "type": "network", "path": path }]);
    assert_eq!(network_with(&machine, &namespaces), network_of(&pid));
}

#[test]
fn only_the_network_is_entered_of_what_is_listed() {
    if skipped_without_root("namespaces") {
        return;
    }
    let machine = Machine::stm32mp15();
    let kinds = ["network", "pid", "mount", "ipc", "uts", "cgroup", "user"];
    let listed: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    machine.create("x", &bundle(&machine, &Value::Array(listed))).ok();
    let pid = machine.pid("x");
    for kind in ["pid", "mnt", "ipc", "uts", "cgroup", "user"] {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_eq!(of(&pid.to_string()), of("self"), "{kind}");
    }
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_and_leaves_nothing() {
    if skipped_without_root("joining a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let file = machine.scratch().join("no-namespace");
    std::fs::write(&file, "").unwrap();
    let other_kind = Path::new("/proc/self/ns/uts");
    for path in [Path::new("/nonexistent/netns"), &file, other_kind] {
        let path = path.to_str().unwrap();
        machine.create("x", &bundle(&machine, &json!([{ "type": "network", "path": path }]))).refused(&[
            "container x",
            "network",
            path,
        ]);
        machine.assert_clean();
        assert_eq!(machine.processes(), [0; 0]);
    }
}

/// Lets a user without rights create containers on a machine, with a copy of the binary.
fn open_to_everybody(machine: &Machine) -> PathBuf {
    let program = machine.scratch().join("program");
    copy_binary(&program);
    std::fs::create_dir(machine.state_root()).unwrap();
    let firmware = machine.firmware_directory().canonicalize().unwrap();
    for directory in [machine.scratch(), &firmware] {
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o1777)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(machine.state_root(), Some(NOBODY), None).unwrap();
    }
    program
}

#[test]
fn without_privilege_it_stays_the_callers() {
    let machine = Machine::stm32mp15();
    let program = open_to_everybody(&machine);
    // The path is root's, and so cannot be entered, or not even be looked at.
    for namespace in [json!({ "type": "network" }), json!({ "type": "network", "path": "/proc/1/ns/net" })] {
        let bundle = bundle(&machine, &json!([namespace]));
        let run = |args: &[&str]| {
            let mut command = Command::new(&program);
            command.args(machine.command(args).get_args()).current_dir("/");
            if rustix::process::geteuid().is_root() {
                command.uid(NOBODY).gid(NOBODY);
            }
            Outcome::of(command, machine.scratch()).ok()
        };
        run(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
        let pid = run(&["ps", "x"]).lines().last().unwrap().trim().to_owned();
        assert_eq!(network_of(&pid), network_of("self"), "{namespace}");
        run(&["delete", "--force", "x"]);
    }
    machine.assert_clean();
}
