//! The sandbox of a Kubernetes pod: a container that keeps the pod's network, has no processor, and touches none.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use simulated_board::{BoardSpec, ProcessorSpec, ProcessorState};

use crate::harness::{Bundle, Machine, Outcome, eventually, exit_code, send, skipped_without_root};

/// Those of tests/configs, as containerd's CRI plugin wrote them.
pub const CONFIGS: [(&str, &str); 5] = [
    ("containerd-1.6-pod-sandbox", include_str!("../configs/containerd-1.6-pod-sandbox.json")),
    (
        "containerd-1.6-pod-sandbox-network-host",
        include_str!("../configs/containerd-1.6-pod-sandbox-network-host.json"),
    ),
    (
        "containerd-1.6-pod-sandbox-no-processor",
        include_str!("../configs/containerd-1.6-pod-sandbox-no-processor.json"),
    ),
    ("containerd-2.1-pod-sandbox", include_str!("../configs/containerd-2.1-pod-sandbox.json")),
    (
        "containerd-2.1-pod-sandbox-sysctls",
        include_str!("../configs/containerd-2.1-pod-sandbox-sysctls.json"),
    ),
];

const CONTAINERD: &str = "io.kubernetes.cri.container-type";
const CRIO: &str = "io.kubernetes.cri-o.ContainerType";

/// A bundle of a sandbox without a firmware anywhere.
fn sandbox(machine: &Machine) -> Bundle {
    let bundle = Bundle { path: machine.scratch().join("sandbox") };
    std::fs::create_dir_all(bundle.path.join("rootfs")).unwrap();
    bundle.write_config(&json!({
        "ociVersion": "1.0.2-dev",
        "root": { "path": "rootfs", "readonly": true },
        "process": { "args": ["/pause"], "cwd": "/" },
        "annotations": { CONTAINERD: "sandbox" },
    }));
    bundle
}

/// A sandbox `s`, created and started; its proxy's pid.
#[track_caller]
fn running(machine: &Machine) -> i32 {
    machine.create("s", &sandbox(machine)).ok();
    machine.run(&["start", "s"]).ok();
    assert_eq!(machine.status("s"), "running");
    machine.pid("s")
}

fn network_of(pid: i32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

#[test]
fn a_sandbox_needs_no_processor_and_leaves_the_one_that_its_pod_names_alone() {
    let machine = Machine::stm32mp15();
    let firmware = machine.running("x");
    let bundle = sandbox(&machine);
    bundle.annotate("remoteproc.name", "m4");
    bundle.annotate("color", "red");
    let stored = machine.stored_firmware();
    let said = machine.create("s", &bundle);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert_eq!(machine.status("s"), "created");
    machine.run(&["start", "s"]).ok();
    let state = machine.state("s");
    assert_eq!((&state["status"], &state["annotations"]["color"]), (&json!("running"), &json!("red")));
    for ours in ["remoteproc.resolved-path", "remoteproc.firmware", "remoteproc.coredump-path"] {
        assert_eq!(state["annotations"].get(ours), None);
    }
    let pid = machine.pid("s");
    assert_eq!(machine.run(&["ps", "--format", "json", "s"]).ok(), format!("[{pid}]\n"));
    let list: Value = serde_json::from_str(&machine.run(&["list", "--format", "json"]).ok()).unwrap();
    assert_eq!(
        (&list[0]["id"], &list[0]["status"], &list[0]["pid"]),
        (&json!("s"), &json!("running"), &json!(pid))
    );
    assert!(machine.run(&["list"]).ok().contains("running"));
    for follow in [&["logs", "s"][..], &["logs", "--follow", "s"]] {
        let logs = machine.run(follow);
        assert!(logs.stderr.contains("it is the sandbox of a pod"), "{}", logs.stderr);
        assert_eq!(logs.ok(), "");
    }
    let processors: Value =
        serde_json::from_str(&machine.run(&["processors", "--format", "json"]).ok()).unwrap();
    assert_eq!(processors[0]["owner"]["container"], "x");
    assert_eq!((machine.stored_firmware(), machine.pid("x")), (stored, firmware));
    machine.run(&["kill", "s"]).ok();
    machine.run(&["delete", "s"]).ok();
    assert_eq!((machine.processor().as_str(), machine.status("x").as_str()), ("running", "running"));
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn nothing_of_a_firmware_is_read_in_a_sandbox() {
    let machine = Machine::simulated(BoardSpec::new("Bare", &["example,bare"]));
    for args in [json!(["/pause"]), json!([]), json!(["/pause", "-v", "x"])] {
        let bundle = sandbox(&machine);
        bundle.edit(|config| {
            config["process"]["args"] = args;
            for (name, value) in [
                ("name", "nonsense"),
                ("recovery", "nonsense"),
                ("stop-timeout", "-1"),
                ("resolved-path", "/nowhere"),
                ("firmware", "/nowhere"),
                ("coredump-path", "/nowhere"),
            ] {
                config["annotations"][format!("remoteproc.{name}")] = json!(value);
            }
        });
        machine.create("s", &bundle).ok();
        machine.run(&["start", "s"]).ok();
        assert!(!machine.state("s").to_string().contains("/nowhere"));
        machine.run(&["delete", "--force", "s"]).ok();
        machine.assert_no_trace();
    }
    machine.run(&["check", sandbox(&machine).path.to_str().unwrap()]).refused(&["the sandbox of a pod"]);
}

#[test]
fn it_ends_with_0_when_asked_and_with_137_when_killed() {
    let machine = Machine::stm32mp15();
    for started in [false, true] {
        for (signal, code) in [("TERM", 0), ("INT", 0), ("HUP", 0), ("QUIT", 0), ("37", 0), ("9", 137)] {
            machine.create("s", &sandbox(&machine)).ok();
            let pid = machine.pid("s");
            if started {
                machine.run(&["start", "s"]).ok();
            }
            machine.run(&["kill", "s", "0"]).ok();
            machine.run(&["kill", "s", "USR1"]).refused(&["means nothing"]);
            machine.run(&["kill", "s", signal]).ok();
            assert_eq!((exit_code(pid), machine.status("s").as_str()), (code, "stopped"), "{signal}");
            // What containerd does next.
            machine.run(&["kill", "--all", "s", "9"]).refused(&["container not running"]);
            machine.run(&["delete", "s"]).ok();
            machine.run(&["delete", "--force", "s"]).ok();
            machine.assert_clean();
        }
    }
}

#[test]
fn it_ends_also_past_the_runtime_and_is_deleted_then() {
    let machine = Machine::stm32mp15();
    for (signal, code) in [("TERM", 0), ("KILL", 137)] {
        let pid = running(&machine);
        send(pid, signal);
        assert_eq!((exit_code(pid), machine.status("s").as_str()), (code, "stopped"));
        machine.run(&["start", "s"]).refused(&["cannot start a container that is stopped"]);
        machine.run(&["delete", "s"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn a_running_one_is_neither_started_again_nor_deleted_unless_by_force() {
    let machine = Machine::stm32mp15();
    let pid = running(&machine);
    machine.run(&["start", "s"]).refused(&["cannot start a container that is running"]);
    // What would be a start says nothing to it now.
    send(pid, "USR1");
    machine.run(&["delete", "s"]).refused(&["cannot delete a container that is running"]);
    assert_eq!(machine.status("s"), "running");
    machine.run(&["delete", "--force", "s"]).ok();
    assert_eq!(exit_code(pid), 137);
    machine.assert_clean();
}

#[test]
fn its_output_may_be_open_for_reading_alone() {
    let machine = Machine::stm32mp15();
    let bundle = sandbox(&machine);
    let run = |args: &[&str]| {
        let null = || std::fs::OpenOptions::new().read(true).open("/dev/null").unwrap();
        let mut command = machine.command(args);
        command.stdin(Stdio::null()).stdout(null()).stderr(null());
        command.status().unwrap().code()
    };
    for signal in ["TERM", "KILL"] {
        // With something to be said that cannot be written.
        bundle.edit(|config| config["hooks"] = json!({ "prestart": [{ "path": "/x" }] }));
        assert_eq!(run(&["create", "--bundle", bundle.path.to_str().unwrap(), "s"]), Some(0));
        let pid = machine.pid("s");
        assert_eq!((run(&["start", "s"]), machine.status("s").as_str()), (Some(0), "running"));
        assert_eq!((run(&["start", "s"]), run(&["kill", "s", signal])), (Some(1), Some(0)));
        assert_eq!(exit_code(pid), if signal == "TERM" { 0 } else { 137 });
        assert_eq!(run(&["delete", "s"]), Some(0));
        machine.assert_clean();
    }
}

#[test]
fn a_firmwares_output_may_be_so_too() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let null = || std::fs::File::open("/dev/null").unwrap();
    let mut create = machine.command(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
    create.stdin(Stdio::null()).stdout(null()).stderr(null());
    assert!(create.status().unwrap().success());
    let pid = machine.pid("x");
    machine.run(&["start", "x"]).ok();
    machine.run(&["kill", "x"]).ok();
    assert_eq!(exit_code(pid), 0);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn every_verb_works_for_it_in_a_deleted_working_directory() {
    let machine = Machine::stm32mp15();
    let bundle = sandbox(&machine);
    let path = bundle.path.to_str().unwrap();
    let run = |args: &[&str]| {
        let gone = tempfile::tempdir().unwrap();
        // The shell stands in the directory when it goes, and then becomes the binary.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "rmdir \"$PWD\" && exec \"$0\" \"$@\""]);
        let command = machine.command(args);
        shell.arg(command.get_program()).args(command.get_args()).current_dir(gone.path());
        Outcome::of(shell, machine.scratch())
    };
    for (signal, force) in [("TERM", None), ("9", Some("--force"))] {
        run(&["create", "--bundle", path, "s"]).ok();
        for args in [&["state", "s"][..], &["start", "s"], &["ps", "s"], &["list"], &["processors"]] {
            run(args).ok();
        }
        run(&["kill", "s", signal]).ok();
        run(&["kill", "--all", "s", "9"]).refused(&["container not running"]);
        let delete: Vec<&str> = ["delete"].into_iter().chain(force).chain(["s"]).collect();
        run(&delete).ok();
        run(&["delete", "--force", "s"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn its_network_is_the_pods_and_its_container_joins_that() {
    if skipped_without_root("a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let with = |namespaces: Value| {
        let bundle = sandbox(&machine);
        bundle.edit(|config| config["linux"] = json!({ "namespaces": namespaces }));
        machine.create("s", &bundle).ok();
        machine.run(&["start", "s"]).ok();
        machine.pid("s")
    };
    let host = network_of(std::process::id().try_into().unwrap());
    let pid = with(json!([{ "type": "pid" }, { "type": "ipc" }, { "type": "mount" }]));
    assert_eq!(network_of(pid), host);
    machine.run(&["delete", "--force", "s"]).ok();

    let pid = with(json!([{ "type": "uts" }, { "type": "network" }]));
    let pod = network_of(pid);
    assert_ne!(pod, host);
    let path = format!("/proc/{pid}/ns/net");
    let container = machine.bundle("x", "m4");
    container.edit(|config| {
        config["linux"] = json!({ "namespaces": [{ "type": "network", "path": path }] });
        config["annotations"][CONTAINERD] = json!("container");
    });
    machine.create("x", &container).ok();
    machine.run(&["start", "x"]).ok();
    assert_eq!((network_of(machine.pid("x")), machine.processor().as_str()), (pod.clone(), "running"));
    // Killing the sandbox leaves the container as it is, in a network that lives on with it.
    machine.run(&["kill", "s", "9"]).ok();
    machine.run(&["delete", "s"]).ok();
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
    let path = format!("/proc/{}/ns/net", machine.pid("x"));
    let joined = with(json!([{ "type": "network", "path": path }]));
    assert_eq!(network_of(joined), pod);
    for id in ["x", "s"] {
        machine.run(&["delete", "--force", id]).ok();
    }
    machine.assert_clean();
}

#[test]
fn sysctls_are_not_applied() {
    if skipped_without_root("a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = sandbox(&machine);
    bundle.edit(|config| {
        config["linux"] = json!({
            "namespaces": [{ "type": "network" }],
            "sysctl": { "net.ipv4.ip_forward": "1", "kernel.hostname": "changed" },
        });
    });
    let read = |enter: &[&str]| {
        let mut command = Command::new(enter[0]);
        command.args(&enter[1..]).args(["cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/hostname"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let fresh = read(&["unshare", "--net"]);
    machine.create("s", &bundle).ok();
    machine.run(&["start", "s"]).ok();
    let network = format!("--net=/proc/{}/ns/net", machine.pid("s"));
    assert_eq!(read(&["nsenter", &network]), fresh);
    machine.run(&["delete", "--force", "s"]).ok();
}

#[test]
fn what_no_engine_says_makes_no_sandbox() {
    let machine = Machine::stm32mp15();
    let with = |said: &[(&str, Value)]| {
        let bundle = sandbox(&machine);
        bundle.edit(|config| {
            config["annotations"] = json!({});
            for (name, value) in said {
                config["annotations"][*name] = value.clone();
            }
        });
        bundle
    };
    // Nor does a processor that is not named.
    let no_processor = ["annotations.remoteproc.name: missing"];
    machine.create_is_refused(&with(&[]), &no_processor);
    for value in ["container", "Sandbox", "sandbox\n", "pod", ""] {
        for name in [CONTAINERD, CRIO] {
            machine.create_is_refused(&with(&[(name, json!(value))]), &no_processor);
        }
        let contradiction = [(CONTAINERD, json!(value)), (CRIO, json!("sandbox"))];
        let named = [&contradiction[..], &[("remoteproc.name", json!("m4"))]].concat();
        let words = format!("annotations.{CONTAINERD}: contradicts {CRIO}");
        machine.create_is_refused(&with(&named), &[&words]);
    }
    machine.create_is_refused(&with(&[(CONTAINERD, json!(true))]), &["annotations: invalid type"]);
    machine.create_is_refused(&with(&[(CONTAINERD, json!(["sandbox"]))]), &["annotations: invalid type"]);
}

#[test]
fn a_config_that_is_wrong_is_refused_for_a_sandbox_too() {
    let machine = Machine::stm32mp15();
    let network = |path: Option<&str>| match path {
        Some(path) => json!({ "type": "network", "path": path }),
        None => json!({ "type": "network" }),
    };
    for (pointer, value, words) in [
        ("/process/args", json!(null), "process.args"),
        ("/process/args", json!("/pause"), "process.args: invalid type"),
        ("/ociVersion", json!("2.0.0"), "ociVersion: "),
        ("/root/path", json!("../elsewhere"), "root.path: "),
        ("/root/path", json!("missing"), "root.path: "),
        ("/process/terminal", json!(true), "process.terminal: is true"),
        ("/linux", json!({ "namespaces": [network(None), network(None)] }), "is listed twice"),
        ("/linux", json!({ "namespaces": [network(Some("/a")), network(Some("/b"))] }), "is listed twice"),
        ("/linux", json!({ "namespaces": [network(Some("proc/1/ns/net"))] }), "must be absolute"),
    ] {
        let bundle = sandbox(&machine);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        bundle.edit(|config| config.pointer_mut(parent).unwrap()[key] = value);
        machine.create_is_refused(&bundle, &["config.json: ", words]);
    }
    let bundle = sandbox(&machine);
    let path = bundle.path.to_str().unwrap();
    machine.run(&["create", "--bundle", path, "--pid-file", "/nowhere/pid", "s"]).refused(&["/nowhere/pid"]);
    machine.assert_no_trace();
}

#[test]
fn a_sandbox_whose_network_is_gone_is_refused_and_leaves_nothing() {
    if skipped_without_root("joining a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = sandbox(&machine);
    bundle.edit(|config| {
        config["linux"] = json!({ "namespaces": [{ "type": "network", "path": "/nonexistent/netns" }] });
    });
    machine.create_is_refused(&bundle, &["its network namespace /nonexistent/netns", "(ENOENT)"]);
}

#[test]
fn doctor_finds_nothing_wrong_with_it_and_notes_one_that_has_ended() {
    let machine = Machine::stm32mp15();
    let pid = running(&machine);
    let findings = || machine.run(&["doctor"]).stdout;
    assert!(findings().contains("container: none is without its proxy"), "{}", findings());
    send(pid, "KILL");
    eventually("it has stopped", || machine.status("s") == "stopped");
    assert!(findings().contains("s of "), "{}", findings());
    assert!(findings().contains("stopped, and not deleted"), "{}", findings());
    machine.run(&["delete", "s"]).ok();
    machine.assert_clean();
}

#[test]
fn a_record_that_lost_its_processor_or_its_firmware_is_no_sandbox() {
    let machine = Machine::stm32mp15();
    for lost in ["processor", "firmware"] {
        let pid = machine.running("x");
        machine.edit_record("x", |record| drop(record.as_object_mut().unwrap().remove(lost)));
        machine.run(&["kill", "x"]).refused(&["is damaged: it has a processor or a firmware alone"]);
        machine.run(&["delete", "--force", "x"]).ok();
        assert_eq!(exit_code(pid), 137);
        machine.assert_clean();
    }
}

#[test]
fn it_is_not_taken_for_the_owner_of_a_processor_whose_firmware_has_no_name() {
    let unnamed = ProcessorSpec::new("m4", "soc/m4.rproc").firmware("").initial(ProcessorState::Running);
    let machine = Machine::simulated(BoardSpec::new("Unnamed", &["test,unnamed"]).processor(unnamed));
    running(&machine);
    assert!(!machine.run(&["processors"]).ok().contains("s ("));
    machine.create("x", &machine.bundle("x", "m4").unchecked()).ok();
    machine.run(&["start", "x"]).refused(&["was booted by something else than this runtime"]);
}
