//! state: derived from the proxy and the kernel, so true after a crash, a SIGKILL and a reboot.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use simulated_board::BoardSpec;

use crate::harness::{Companion, Machine, is_alive, wait_for_end};

#[test]
fn the_document_has_what_oci_asks_for_and_our_two_annotations() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    bundle.edit(|config| config["annotations"]["org.example.note"] = "a \"note\"\n".into());
    machine.create("x", &bundle).ok();
    let state = machine.state("x");
    let keys: Vec<&str> = state.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["annotations", "bundle", "id", "ociVersion", "pid", "status"]);
    assert_eq!((state["id"].as_str(), state["status"].as_str()), (Some("x"), Some("created")));
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."));
    assert_eq!(state["bundle"], bundle.path.canonicalize().unwrap().to_str().unwrap());
    assert!(is_alive(machine.pid("x")));
    let annotations = state["annotations"].as_object().unwrap();
    let sysfs = machine.path("sys/class/remoteproc/remoteproc0");
    let stored = machine.firmware_directory().join(&machine.stored_firmware()[0]);
    assert_eq!(annotations.len(), 4, "{annotations:?}");
    assert_eq!(annotations["remoteproc.name"], "m4");
    assert_eq!(annotations["org.example.note"], "a \"note\"\n");
    assert_eq!(annotations["remoteproc.resolved-path"], sysfs.to_str().unwrap());
    assert_eq!(annotations["remoteproc.firmware"], stored.to_str().unwrap());
}

#[test]
fn annotations_of_the_config_do_not_pass_for_ours() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    bundle.edit(|config| {
        config["annotations"]["remoteproc.firmware"] = "/etc/shadow".into();
        config["annotations"]["remoteproc.resolved-path"] = "/sys/class/remoteproc/remoteproc9".into();
    });
    machine.create("x", &bundle).ok();
    let (state, stored) = (machine.state("x"), machine.stored_firmware());
    assert!(state["annotations"]["remoteproc.firmware"].as_str().unwrap().ends_with(&stored[0]));
    let path = state["annotations"]["remoteproc.resolved-path"].as_str().unwrap().to_owned();
    assert!(path.ends_with("remoteproc0"), "{path}");
}

#[test]
fn a_stopped_container_has_no_pid_and_keeps_its_annotations() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    let before = machine.state("x");
    machine.run(&["kill", "x"]).ok();
    let after = machine.state("x");
    assert_eq!((&after["status"], after.get("pid")), (&"stopped".into(), None));
    assert_eq!(after["annotations"], before["annotations"]);
}

#[test]
fn an_unknown_container_does_not_exist() {
    let machine = Machine::stm32mp15();
    machine.run(&["state", "x"]).refused(&["container x", "does not exist"]);
}

#[test]
fn a_proxy_killed_in_any_phase_is_a_stopped_container_that_can_be_deleted() {
    let machine = Machine::stm32mp15();
    for phase in ["created", "starting", "running", "stopping"] {
        let resident = machine.created_resident("x");
        std::thread::scope(|scope| {
            match phase {
                "created" => {}
                "starting" => {
                    machine.fault(0, "start-delay-ms", "500");
                    scope.spawn(|| machine.run(&["start", "x"]));
                    machine.await_phase("x", "starting");
                }
                _ => drop(machine.run(&["start", "x"]).ok()),
            }
            if phase == "stopping" {
                machine.fault(0, "stop-delay-ms", "500");
                scope.spawn(|| machine.run(&["kill", "x"]));
                machine.await_phase("x", "stopping");
            }
            resident.signal("KILL");
            wait_for_end(resident.pid);
        });
        let state = machine.state("x");
        assert_eq!((&state["status"], state.get("pid")), (&"stopped".into(), None), "{phase}");
        assert_eq!(resident.ends(), 137, "{phase}");
        machine.run(&["kill", "x"]).refused(&["container not running"]);
        machine.run(&["start", "x"]).refused(&["is stopped"]);
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
        for fault in ["start-delay-ms", "stop-delay-ms"] {
            machine.fault(0, fault, "0");
        }
    }
}

#[test]
fn a_proxy_that_nobody_has_reaped_has_ended_all_the_same() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    resident.signal("KILL");
    // Ended, and still a zombie: it is this process that would have to reap it.
    wait_for_end(resident.pid);
    assert!(std::fs::exists(format!("/proc/{}", resident.pid)).unwrap());
    assert_eq!(machine.status("x"), "stopped");
    machine.run(&["delete", "x"]).ok();
    assert_eq!(resident.ends(), 137);
}

/// A process that has nothing to do with any container.
fn innocent() -> (Companion, i32) {
    let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    (Companion(child), pid)
}

#[test]
fn a_stale_record_never_hits_the_process_that_has_its_pid_now() {
    let machine = Machine::stm32mp15();
    for verb in [&["kill", "x"][..], &["kill", "x", "KILL"], &["delete", "x"], &["delete", "--force", "x"]] {
        let resident = machine.created_resident("x");
        resident.signal("KILL");
        assert_eq!(resident.ends(), 137);
        let (mut companion, pid) = innocent();
        machine.edit_record("x", |record| {
            record["proxy"]["pid"] = pid.into();
            // Clock ticks are long: here both may have started in the same one.
            record["proxy"]["startTime"] = 1.into();
        });
        let state = machine.state("x");
        assert_eq!((&state["status"], state.get("pid")), (&"stopped".into(), None));
        machine.run(&["ps", "x"]).refused(&["container not running"]);
        let outcome = machine.run(verb);
        match verb[0] {
            "kill" => outcome.refused(&["container not running"]),
            _ => drop(outcome.ok()),
        }
        assert_eq!(companion.0.try_wait().unwrap(), None, "{verb:?}");
        machine.run(&["delete", "--force", "x"]).ok();
        assert_eq!(companion.0.try_wait().unwrap(), None);
    }
}

#[test]
fn a_process_of_an_earlier_boot_is_none_of_this_one() {
    let machine = Machine::stm32mp15();
    let (mut companion, pid) = innocent();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start_time: u64 = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap();
    let resident = machine.created_resident("x");
    resident.signal("KILL");
    resident.ends();
    // The same pid and, counted from another boot, the same start time.
    machine.edit_record("x", |record| {
        record["proxy"]["pid"] = pid.into();
        record["proxy"]["startTime"] = start_time.into();
        record["proxy"]["bootId"] = "00000000-1111-2222-3333-444444444444".into();
    });
    assert_eq!(machine.status("x"), "stopped");
    machine.run(&["kill", "x", "KILL"]).refused(&["container not running"]);
    machine.run(&["delete", "--force", "x"]).ok();
    assert_eq!(companion.0.try_wait().unwrap(), None);
}

#[test]
fn a_reboot_turns_every_container_into_a_stopped_one() {
    let machine = Machine::stm32mp15();
    machine.running("running");
    machine.created("created");
    for pid in machine.processes() {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        wait_for_end(pid);
    }
    machine.write("board/reboot", "1");
    for id in ["running", "created"] {
        assert_eq!(machine.status(id), "stopped", "{id}");
        machine.run(&["kill", id]).refused(&["container not running"]);
        machine.run(&["delete", id]).ok();
    }
    machine.assert_clean();
}

#[test]
fn a_device_that_is_gone_has_no_path_and_has_one_again_when_it_returns() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    machine.created("x");
    let path = |machine: &Machine| machine.state("x")["annotations"].get("remoteproc.resolved-path").cloned();
    machine.fault(0, "plug", "out");
    assert_eq!((path(&machine), machine.status("x").as_str()), (None, "created"));
    machine.fault(0, "plug", "remoteproc7");
    assert_eq!(path(&machine).unwrap(), machine.path("sys/class/remoteproc/remoteproc7").to_str().unwrap());
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.attribute(7, "state"), "running");
}

#[test]
fn a_damaged_record_is_named() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    std::fs::write(machine.state_root().join("x/record.json"), "{").unwrap();
    for verb in ["state", "start", "kill", "ps"] {
        machine.run(&[verb, "x"]).refused(&["container x: ", "x/record.json is damaged"]);
    }
    // So that nothing is left of it.
    machine.run(&["delete", "--force", "x"]).ok();
}
