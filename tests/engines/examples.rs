//! docs/examples: what people are told to copy, run from the very files.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Engine, Status, engine, eventually, settings, wrapper};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");

/// A copy of an example in a folder called blink, where the engine finds it, too.
fn example(engine: &dyn Engine, name: &str) -> PathBuf {
    let folder = engine.machine().scratch().join("blink");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(PathBuf::from(EXAMPLES).join(name), folder.join(name)).unwrap();
    folder
}

/// Whether the engine is a version of this one.
fn is(engine: &str) -> bool {
    settings().engine.split('-').next() == Some(engine)
}

#[test]
fn the_compose_file_runs_a_firmware_and_restarts_it() {
    let compose = if is("podman") {
        "podman-compose --podman-args=--runtime=remoteproc"
    } else if is("docker") {
        "docker compose"
    } else {
        return println!("skipped: this engine has no compose");
    };
    let engine = engine();
    let folder = example(&*engine, "compose.yaml");
    let compose = |verb| engine.shell(&format!("cd {} && {compose} {verb}", folder.display()));
    let version = compose("version");
    if version.code != 0 {
        return println!("skipped: compose is not installed");
    }
    if (version.stdout + &version.stderr).contains("podman-composer version  1.0.") {
        // As the document says of it.
        let file = folder.join("compose.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("    network_mode: none\n", "")).unwrap();
    }
    let machine = engine.machine();
    machine.without_recovery();
    let up = compose("up --detach");
    // podman-compose succeeds whatever podman says.
    assert!(up.code == 0 && machine.processor() == "running", "{up:?}");
    let before = machine.stored();
    machine.crash();
    eventually("another firmware runs", || machine.stored() != before && machine.processor() == "running");
    compose("down").ok();
    machine.assert_clean();
}

#[test]
fn the_quadlet_makes_a_unit_that_runs_a_firmware() {
    if !is("podman") {
        return println!("skipped: this engine makes no units");
    }
    let engine = engine();
    let folder = example(&*engine, "blink.container");
    let generator = format!(
        "[ -x /usr/libexec/podman/quadlet ] && QUADLET_UNIT_DIRS={} /usr/libexec/podman/quadlet -dryrun",
        folder.display()
    );
    let unit = engine.shell(&generator);
    if unit.code != 0 && unit.stderr.is_empty() {
        return println!("skipped: this podman makes no units");
    }
    let unit = unit.ok();
    for line in ["Restart=on-failure", "WantedBy=multi-user.target"] {
        assert!(unit.lines().any(|each| each == line), "{line}: {unit}");
    }
    let file = folder.join("blink.service");
    std::fs::write(&file, unit.trim_start_matches("---blink.service---\n")).unwrap();
    if let Ok(verified) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output() {
        let said = String::from_utf8_lossy(&verified.stderr);
        // podman may be in the engine's own system only.
        let mistakes =
            said.lines().filter(|line| line.contains("blink.service") && !line.contains("/usr/bin/podman"));
        assert_eq!(mistakes.collect::<Vec<_>>(), [""; 0]);
    }
    let unified = PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists();
    // What systemd puts in (systemd.unit(5)): the directory of what runs, and the unit's name without its ending.
    let command = |key: &str| {
        let line =
            unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}: {unit}"));
        let line = line.replace("%t", folder.to_str().unwrap()).replace("%N", "blink");
        // podman splits no cgroup of version 1.
        if unified { line } else { line.replace("--cgroups=split", "--cgroups=enabled") }
    };
    let machine = engine.machine();
    engine.shell(&command("ExecStart=")).ok();
    assert_eq!((machine.processor().as_str(), engine.status("blink")), ("running", Status::Running));
    engine.shell(&command("ExecStop=")).ok();
    machine.assert_clean();
}

#[test]
fn the_lines_for_ctr_run_a_firmware_and_remove_it() {
    if !is("containerd") {
        return println!("skipped: this engine is another one");
    }
    let engine = engine();
    let folder = example(&*engine, "README.md");
    let document = std::fs::read_to_string(folder.join("README.md")).unwrap().replace("\\\n", "");
    let lines: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("# ctr ")).collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    std::fs::copy(settings().files.join("blink.tar"), folder.join("blink.tar")).unwrap();
    let machine = engine.machine();
    for line in lines {
        if line.starts_with("task rm") {
            assert_eq!(machine.processor(), "offline");
            eventually("the task has ended", || engine.status("blink") == Status::Exited);
        }
        let line = line.replace("/usr/bin/remoteproc-runtime", &wrapper(machine));
        let told = engine.shell(&format!("cd {} && ctr {line}", folder.display())).ok();
        if line.starts_with("task ls") {
            assert!(told.contains("RUNNING") && machine.processor() == "running", "{told}");
        }
    }
    machine.assert_clean();
}
