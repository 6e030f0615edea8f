//! Configs and command lines that real engines handed to a runtime.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Bundle, Machine, Outcome, blink, exit_code, names_in};
use crate::logs::{objects, only_error};
use crate::sandbox::CONFIGS as SANDBOXES;

/// What create makes of a config.
enum Verdict {
    /// Taken in silence.
    Accepted,
    /// Taken in silence, without a processor.
    Sandbox,
    /// Taken, with one warning that has these words.
    Warned(&'static str),
    /// Refused, with this property named.
    Refused(&'static str),
}

use Verdict::{Accepted, Refused, Sandbox, Warned};

const NO_PROCESSOR: Verdict = Refused("annotations.remoteproc.name: missing");

/// tests/configs, a row each; the sandboxes of pods are in [`SANDBOXES`].
const CONFIGS: [(&str, &str, Verdict); 16] = [
    ("containerd-1.6-pod-container", include_str!("../configs/containerd-1.6-pod-container.json"), Accepted),
    ("containerd-1.6", include_str!("../configs/containerd-1.6.json"), Accepted),
    ("containerd-1.7", include_str!("../configs/containerd-1.7.json"), Accepted),
    ("containerd-2.1", include_str!("../configs/containerd-2.1.json"), Accepted),
    ("containerd-2.1-pod-container", include_str!("../configs/containerd-2.1-pod-container.json"), Accepted),
    (
        "docker-20.10-hooks-no-processor",
        include_str!("../configs/docker-20.10-hooks-no-processor.json"),
        NO_PROCESSOR,
    ),
    ("docker-26.1-hooks", include_str!("../configs/docker-26.1-hooks.json"), Warned("hooks: ")),
    ("docker-28.5", include_str!("../configs/docker-28.5.json"), Accepted),
    ("podman-4.3", include_str!("../configs/podman-4.3.json"), Accepted),
    ("podman-4.3-network-host", include_str!("../configs/podman-4.3-network-host.json"), Accepted),
    ("podman-4.3-network-joined", include_str!("../configs/podman-4.3-network-joined.json"), Accepted),
    ("podman-4.3-no-processor", include_str!("../configs/podman-4.3-no-processor.json"), NO_PROCESSOR),
    (
        "podman-4.3-terminal",
        include_str!("../configs/podman-4.3-terminal.json"),
        Refused("process.terminal: is true, but there is no --console-socket"),
    ),
    (
        "podman-4.3-two-arguments",
        include_str!("../configs/podman-4.3-two-arguments.json"),
        Refused("process.args: has 2 entries"),
    ),
    ("podman-5.4", include_str!("../configs/podman-5.4.json"), Accepted),
    ("podman-5.8", include_str!("../configs/podman-5.8.json"), Accepted),
];

/// A bundle of an engine's config, with what is outside of it put in place: the root file system, the firmware, the
/// processor's name, and a network namespace that is there.
pub fn bundle(machine: &Machine, name: &str, config: &str) -> Bundle {
    let path = machine.scratch().join(name);
    let rootfs = path.join("an-engine's-storage");
    std::fs::create_dir_all(&rootfs).unwrap();
    let mut config: Value = serde_json::from_str(config).unwrap();
    let firmware = config["process"]["args"][0].as_str().unwrap().trim_start_matches('/').to_owned();
    std::fs::write(rootfs.join(firmware), blink()).unwrap();
    config["root"]["path"] = json!(rootfs);
    if let Some(name) = config.pointer_mut("/annotations/remoteproc.name") {
        *name = json!("m4");
    }
    for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
        if namespace["type"] == "network" && namespace.get("path").is_some() {
            namespace["path"] = json!("/proc/self/ns/net");
        }
    }
    let bundle = Bundle { path };
    bundle.write_config(&config);
    bundle
}

#[test]
fn the_configs_of_engines_are_accepted_and_refused_as_they_should_be() {
    let machine = Machine::stm32mp15();
    let sandboxes = SANDBOXES.map(|(name, config)| (name, config, Sandbox));
    for (name, config, verdict) in CONFIGS.into_iter().chain(sandboxes) {
        let bundle = bundle(&machine, name, config);
        let outcome = machine.create("x", &bundle);
        let stderr = outcome.stderr.clone();
        match verdict {
            Refused(property) => {
                outcome.refused(&["error: container x: ", "config.json: ", property]);
                machine.assert_no_trace();
                continue;
            }
            Accepted | Sandbox => assert_eq!((outcome.code, stderr.as_str()), (0, ""), "{name}"),
            Warned(words) => {
                assert_eq!(outcome.code, 0, "{name}: {stderr}");
                assert!(stderr.starts_with("warning: ") && stderr.contains(words), "{name}: {stderr}");
                assert_eq!(stderr.lines().count(), 1, "{name}: {stderr}");
            }
        }
        let state = machine.state("x");
        let asked: Value = serde_json::from_str(&bundle.text()).unwrap();
        for (key, value) in asked["annotations"].as_object().unwrap() {
            assert_eq!(&state["annotations"][key], value, "{name}: {key}");
        }
        machine.run(&["start", "x"]).ok();
        let processor = if matches!(verdict, Sandbox) { "offline" } else { "running" };
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", processor));
        machine.run(&["delete", "--force", "x"]).ok();
        machine.assert_clean();
    }
}

/// The names of a folder of tests, without their ending. None where the sources are not at hand, as on a board: then there
/// is nothing to compare with.
pub fn recorded(folder: &str, ending: &str) -> Option<Vec<String>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).join(folder);
    let names = folder.exists().then(|| names_in(&folder))?.into_iter();
    let mut names: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect();
    names.sort();
    Some(names)
}

#[test]
fn each_config_has_its_row() {
    let Some(files) = recorded("configs", ".json") else { return };
    let sandboxes = SANDBOXES.iter().map(|(name, _)| *name);
    let mut rows: Vec<&str> = CONFIGS.iter().map(|(name, ..)| *name).chain(sandboxes).collect();
    rows.sort_unstable();
    assert_eq!(files, rows);
}

/// The command lines of containerd's shim for runc, which docker uses as well: `--root R --log B/log.json ..`.
struct Shim<'a> {
    machine: &'a Machine,
    bundle: &'a Bundle,
    root: PathBuf,
}

impl<'a> Shim<'a> {
    fn new(machine: &'a Machine, bundle: &'a Bundle) -> Self {
        Self { machine, bundle, root: machine.scratch().join("runtime-root/moby") }
    }

    fn log(&self) -> PathBuf {
        self.bundle.path.join("log.json")
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let (root, log) = (self.root.to_str().unwrap().to_owned(), self.log());
        // The machine's own --root stands before it: the last one counts.
        let global = ["--root", &root, "--log", log.to_str().unwrap(), "--log-format", "json"];
        self.machine.run(&[&global, args].concat())
    }

    fn create(&self, id: &str) -> Outcome {
        let pid_file = self.bundle.path.join("init.pid");
        let (bundle, file) = (self.bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
        self.run(&["create", "--bundle", bundle, "--pid-file", file, id])
    }

    /// The pid that create left for the shim.
    fn pid(&self) -> i32 {
        std::fs::read_to_string(self.bundle.path.join("init.pid")).unwrap().parse().unwrap()
    }
}

/// The log has nothing, or is not there: the shim takes its last line of level error for what went wrong.
#[track_caller]
fn assert_silent(log: &Path) {
    assert_eq!(std::fs::read_to_string(log).unwrap_or_default(), "");
}

const ID: &str = "29ba037206c533e17f067b9cd58c3918cd4529773ca41a9ce236d830f358bc71";

#[test]
fn dockers_calls_from_run_to_rm() {
    let machine = Machine::stm32mp15();
    let bundle = bundle(&machine, "b", include_str!("../configs/docker-28.5.json"));
    let shim = Shim::new(&machine, &bundle);
    assert!(machine.run(&["features"]).ok().contains("ociVersionMax"), "asked bare when docker starts");
    shim.create(ID).ok();
    shim.run(&["start", ID]).ok();
    let pid = shim.pid();
    assert_eq!(shim.run(&["ps", "--format", "json", ID]).ok(), format!("[{pid}]\n"));
    assert_silent(&shim.log());
    let process_pid = bundle.path.join("exec.pid");
    for args in [
        &[
            "exec",
            "--process",
            "/tmp/runc-process1",
            "--detach",
            "--pid-file",
            process_pid.to_str().unwrap(),
            ID,
        ][..],
        &["pause", ID],
        &["resume", ID],
        &["update", "--resources=-", ID],
        &["update", "--resources", "-", ID],
    ] {
        shim.run(args).refused(&[&format!("not supported: {}: ", args[0])]);
        let said = objects(&shim.log()).pop().unwrap();
        assert_eq!(said["level"], "error");
        assert!(said["msg"].as_str().unwrap().starts_with("not supported: "), "{said}");
    }
    assert!(!process_pid.exists());
    let lines = objects(&shim.log()).len();
    shim.run(&["kill", ID, "15"]).ok();
    assert_eq!((exit_code(pid), machine.processor().as_str()), (0, "offline"));
    // What a shim always does after the end.
    shim.run(&["delete", ID]).ok();
    shim.run(&["delete", "--force", ID]).ok();
    assert_eq!(objects(&shim.log()).len(), lines, "nothing went wrong since");
    machine.assert_clean();
}

#[test]
fn a_kill_of_a_pods_container_that_has_ended_says_what_containerd_looks_for() {
    let machine = Machine::stm32mp15();
    let bundle = bundle(&machine, "b", include_str!("../configs/containerd-2.1-pod-container.json"));
    let shim = Shim::new(&machine, &bundle);
    shim.create(ID).ok();
    shim.run(&["start", ID]).ok();
    shim.run(&["kill", ID, "15"]).ok();
    // The kubelet's way: then everything that may be left.
    shim.run(&["kill", "--all", ID, "9"]).refused(&["container not running"]);
    assert!(only_error(&shim.log()).contains("container not running"));
    shim.run(&["delete", ID]).ok();
    shim.run(&["kill", "--all", ID, "9"]).refused(&["does not exist"]);
    machine.assert_clean();
}

#[test]
fn a_shim_reads_a_refused_start_from_the_log() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-error", "ETIMEDOUT");
    let bundle = bundle(&machine, "b", include_str!("../configs/containerd-1.6.json"));
    let shim = Shim::new(&machine, &bundle);
    shim.create(ID).ok();
    let pid = shim.pid();
    assert_eq!(shim.run(&["start", ID]).code, 1);
    let message = only_error(&shim.log());
    for words in ["processor m4", "(ETIMEDOUT)", "kernel: ", "Boot failed: -110", "hint: "] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(exit_code(pid), 1);
    shim.run(&["delete", "--force", ID]).ok();
    machine.assert_clean();
}

#[test]
fn a_crash_ends_the_shims_process_with_1_and_delete_succeeds() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let bundle = bundle(&machine, "b", include_str!("../configs/containerd-1.7.json"));
    let shim = Shim::new(&machine, &bundle);
    shim.create(ID).ok();
    shim.run(&["start", ID]).ok();
    machine.crash(0);
    assert_eq!(exit_code(shim.pid()), 1);
    shim.run(&["delete", ID]).ok();
    shim.run(&["delete", "--force", ID]).ok();
    assert_silent(&shim.log());
    machine.assert_clean();
}

#[test]
fn podmans_calls_from_run_to_rm() {
    let machine = Machine::stm32mp15();
    let bundle = bundle(&machine, "b", include_str!("../configs/podman-5.8.json"));
    let pid_file = machine.scratch().join("pidfile");
    let (path, file) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
    assert!(machine.run(&["--version"]).ok().starts_with("remoteproc-runtime version "));
    for signal in ["15", "9", "37"] {
        // conmon's own options, and what podman adds for a runtime that it takes for runc.
        let global = ["--systemd-cgroup", "--cgroup-manager", "disabled"];
        let create = ["create", "--bundle", path, "--pid-file", file, "--no-pivot", "--no-new-keyring"];
        machine.run(&[&global, &create[..], &["--preserve-fds", "0", ID]].concat()).ok();
        machine.run(&["start", ID]).ok();
        let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        machine.run(&["kill", "--all", ID, signal]).ok();
        assert_eq!(exit_code(pid), if signal == "9" { 137 } else { 0 }, "{signal}");
        machine.run(&["delete", "--force", ID]).ok();
        machine.assert_clean();
    }
}

#[test]
fn podmans_errors_have_the_words_that_it_sorts_them_by() {
    let machine = Machine::stm32mp15();
    let config = include_str!("../configs/podman-4.3.json");
    let without_firmware = bundle(&machine, "b", config);
    std::fs::remove_file(without_firmware.path.join("an-engine's-storage/fw.elf")).unwrap();
    let stderr = machine.create(ID, &without_firmware).failed().to_lowercase();
    // "command not found", exit code 127.
    assert!(stderr.contains("no such file or directory"), "{stderr}");
}

/// conmon's calls and CRI-O's own for one container; `signal` is the last one that it gets.
fn crios_calls(machine: &Machine, bundle: &Bundle, id: &str, signal: &str) -> i32 {
    let root = machine.scratch().join("crio-root");
    let root = root.to_str().unwrap();
    let pid_file = bundle.path.join("pidfile");
    let (path, file) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
    let conmons = [&format!("--root={root}"), "--systemd-cgroup", "create", "--bundle", path];
    machine.run(&[&conmons[..], &["--pid-file", file, id]].concat()).ok();
    let run = |args: &[&str]| machine.run(&[&["--root", root, "--systemd-cgroup"], args].concat());
    assert!(run(&["state", id]).ok().contains("\"created\""));
    run(&["start", id]).ok();
    let state: Value = serde_json::from_str(&run(&["state", id]).ok()).unwrap();
    let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert_eq!((&state["status"], &state["pid"], &state["id"]), (&json!("running"), &json!(pid), &json!(id)));
    run(&["kill", id, signal]).ok();
    let code = exit_code(pid);
    let state: Value = serde_json::from_str(&run(&["state", id]).ok()).unwrap();
    assert_eq!((&state["status"], state.get("pid")), (&json!("stopped"), None));
    run(&["delete", "--force", id]).ok();
    run(&["state", id]).refused(&["does not exist"]);
    code
}

#[test]
fn crios_calls_are_understood() {
    let machine = Machine::stm32mp15();
    assert!(machine.run(&["--version"]).ok().starts_with("remoteproc-runtime version "));
    let features: Value = serde_json::from_str(&machine.run(&["features"]).ok()).unwrap();
    // It refuses a runtime that has these empty.
    for version in ["ociVersionMin", "ociVersionMax"] {
        assert!(features[version].as_str().is_some_and(|version| !version.is_empty()), "{features}");
    }
    let container = bundle(&machine, "b", include_str!("../configs/podman-5.4.json"));
    container.annotate("io.kubernetes.cri-o.ContainerType", "container");
    for (signal, code) in [("TERM", 0), ("KILL", 137)] {
        assert_eq!(crios_calls(&machine, &container, ID, signal), code);
        machine.assert_clean();
    }
}

#[test]
fn crios_sandbox_lives_beside_its_container() {
    let machine = Machine::stm32mp15();
    let sandbox = bundle(&machine, "s", include_str!("../configs/podman-5.4.json"));
    sandbox.edit(|config| {
        config["process"]["args"] = json!(["/pause"]);
        config["annotations"]["io.kubernetes.cri-o.ContainerType"] = json!("sandbox");
    });
    let running = machine.running("x");
    for (signal, code) in [("TERM", 0), ("KILL", 137)] {
        assert_eq!(crios_calls(&machine, &sandbox, ID, signal), code);
        assert_eq!((machine.pid("x"), machine.processor().as_str()), (running, "running"));
    }
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
}
