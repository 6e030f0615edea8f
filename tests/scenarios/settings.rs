//! Settings of a processor for as long as a firmware runs: recovery, coredump, and how long a stop may take.

use std::time::Duration;

use serde_json::json;
use simulated_board::{BoardSpec, ProcessorSpec};

use crate::harness::{Bundle, Machine, Outcome, Resident, binary, eventually, send, timed, wait_for_end};

/// A bundle for m4 with annotations beside its name.
fn annotated(machine: &Machine, id: &str, annotations: &[(&str, &str)]) -> Bundle {
    let bundle = machine.bundle(id, "m4");
    bundle.edit(|config| {
        for (name, value) in annotations {
            config["annotations"][format!("remoteproc.{name}")] = json!(value);
        }
    });
    bundle
}

fn created(machine: &Machine, id: &str, annotations: &[(&str, &str)]) -> Resident {
    machine.resident_of(id, &annotated(machine, id, annotations))
}

fn running(machine: &Machine, id: &str, annotations: &[(&str, &str)]) -> Resident {
    let resident = created(machine, id, annotations);
    machine.run(&["start", id]).ok();
    resident
}

/// What `recovery` and `coredump` of the processor read.
fn settings(machine: &Machine) -> [String; 2] {
    [machine.attribute(0, "recovery"), machine.attribute(0, "coredump")]
}

/// What is noted beside the state of a container.
fn note(machine: &Machine, id: &str) -> Option<String> {
    let target = std::fs::read_link(machine.state_root().join(id).join("settings")).ok()?;
    Some(target.to_str().unwrap().to_owned())
}

const QUIET: [(&str, &str); 2] = [("recovery", "disabled"), ("coredump", "enabled")];

#[test]
fn settings_hold_while_the_firmware_runs_and_are_put_back_after() {
    let machine = Machine::stm32mp15();
    let resident = created(&machine, "x", &QUIET);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
    machine.run(&["start", "x"]).ok();
    assert_eq!(settings(&machine), ["disabled", "enabled"]);
    let noted = note(&machine, "x").unwrap();
    assert!(noted.starts_with("recovery=enabled>disabled,coredump=disabled>enabled"), "{noted}");
    machine.run(&["kill", "x"]).ok();
    assert_eq!(resident.ends(), 0);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn what_is_set_already_is_neither_written_nor_noted() {
    let machine = Machine::stm32mp15();
    running(&machine, "x", &[("recovery", "enabled"), ("coredump", "disabled")]);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
    // Another wish of somebody else holds, then.
    machine.set(0, "recovery", "disabled");
    machine.run(&["kill", "x"]).ok();
    assert_eq!(settings(&machine), ["disabled", "disabled"]);
}

#[test]
fn what_somebody_else_sets_meanwhile_stays() {
    let machine = Machine::stm32mp15();
    running(&machine, "x", &QUIET);
    machine.set(0, "recovery", "enabled");
    machine.set(0, "coredump", "inline");
    machine.run(&["kill", "x"]).ok();
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "inline".into()], None));
}

#[test]
fn annotations_come_before_the_profile_of_the_board() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let directory = machine.path("etc/remoteproc-runtime/boards");
    std::fs::create_dir_all(&directory).unwrap();
    let profile = "name = 'quiet'\ndescription = 'Q'\ncompatible = ['test,quiet']\n[[processor]]\naliases = ['cm4']\n\
                   names = ['m4']\nrecovery = 'disabled'\ncoredump = 'inline'\nstop-timeout = 77\n";
    std::fs::write(directory.join("quiet.toml"), profile).unwrap();
    let start = |id: &str, annotations: &[(&str, &str)]| {
        let bundle = annotated(&machine, id, annotations);
        machine.run(&["--board", "quiet", "create", "--bundle", bundle.path.to_str().unwrap(), id]).ok();
        machine.run(&["start", id]).ok();
        let path = machine.state_root().join(id).join("record.json");
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let shown = (settings(&machine), record["stopTimeout"].as_u64());
        machine.run(&["kill", id]).ok();
        assert_eq!(settings(&machine), ["enabled", "disabled"]);
        shown
    };
    assert_eq!(start("x", &[]), (["disabled".into(), "inline".into()], Some(77)));
    let all = [("recovery", "enabled"), ("coredump", "enabled"), ("stop-timeout", "5")];
    assert_eq!(start("y", &all), (["enabled".into(), "enabled".into()], Some(5)));
}

#[test]
fn values_that_mean_nothing_are_refused_before_anything_is_made() {
    let machine = Machine::stm32mp15();
    let long = "x".repeat(5000);
    for (name, values) in [
        ("recovery", ["", "recover", "Enabled", "enabled\n", &long]),
        ("coredump", ["", "default", "ENABLED", " inline", "enabled,inline"]),
        ("stop-timeout", ["", "0", "3601", "+5", "10s"]),
        ("stop-timeout", ["-1", "1.5", " 5", "99999999999999999999", &long]),
    ] {
        for value in values {
            let bundle = annotated(&machine, "x", &[(name, value)]);
            let property = format!("config.json: annotations.remoteproc.{name}: ");
            machine.create_is_refused(&bundle, &[&property]);
            let outcome = machine.create("x", &bundle);
            assert!(outcome.stderr.len() < 400, "{}", outcome.stderr);
        }
    }
    // Not text at all.
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["annotations"]["remoteproc.stop-timeout"] = json!(5));
    machine.create_is_refused(&bundle, &["annotations"]);
}

#[test]
fn a_container_whose_proxy_is_killed_leaves_a_note_by_which_delete_puts_them_back() {
    for verb in [&["delete", "x"][..], &["delete", "--force", "x"]] {
        let machine = Machine::stm32mp15();
        let resident = running(&machine, "x", &QUIET);
        resident.signal("KILL");
        assert_eq!(resident.ends(), 137);
        assert_eq!(settings(&machine), ["disabled", "enabled"]);
        machine.run(verb).ok();
        assert_eq!(settings(&machine), ["enabled", "disabled"]);
        machine.assert_clean();
    }
}

#[test]
fn a_kill_with_kill_puts_them_back() {
    let machine = Machine::stm32mp15();
    let resident = running(&machine, "x", &QUIET);
    machine.run(&["kill", "x", "KILL"]).ok();
    assert_eq!(resident.ends(), 137);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
}

#[test]
fn a_proxy_that_dies_between_note_and_start_leaves_nothing_running_and_nothing_changed() {
    let machine = Machine::stm32mp15();
    let hang = machine.hang(0, "start-hangs");
    let resident = created(&machine, "x", &QUIET);
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        machine.await_phase("x", "starting");
        eventually("it is noted and set", || settings(&machine) == ["disabled", "enabled"]);
        send(resident.pid, "KILL");
        // As on a real kernel, it ends when its driver answers; then the firmware runs without a proxy, until start ends.
        drop(hang);
        start.join().unwrap().failed();
    });
    assert_eq!(resident.ends(), 137);
    assert_eq!((machine.processor().as_str(), machine.status("x").as_str()), ("offline", "stopped"));
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

/// As a proxy leaves it that is killed after its note: with or without the change, and before its firmware is named.
#[test]
fn a_note_alone_is_enough_for_delete_and_for_the_next_start() {
    for changed in [false, true] {
        for next in ["delete", "start"] {
            let machine = Machine::stm32mp15();
            let resident = created(&machine, "x", &QUIET);
            let link = machine.state_root().join("x/settings");
            std::os::unix::fs::symlink("recovery=enabled>disabled,coredump=disabled>enabled", link).unwrap();
            if changed {
                machine.set(0, "recovery", "disabled");
            }
            resident.signal("KILL");
            assert_eq!(resident.ends(), 137);
            if next == "delete" {
                machine.run(&["delete", "x"]).ok();
                machine.assert_clean();
            } else {
                machine.running("y");
                assert_eq!(note(&machine, "x"), None);
                machine.run(&["delete", "x"]).ok();
                assert_eq!(machine.processor(), "running");
            }
            assert_eq!(settings(&machine), ["enabled", "disabled"], "{changed} {next}");
        }
    }
}

#[test]
fn a_note_that_makes_no_sense_is_none() {
    let machine = Machine::stm32mp15();
    for target in ["nonsense", "recovery=off>on", "/etc/passwd"] {
        machine.created("x");
        std::os::unix::fs::symlink(target, machine.state_root().join("x/settings")).unwrap();
        machine.running("y");
        machine.run(&["delete", "--force", "y"]).ok();
        machine.run(&["delete", "--force", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn a_crash_without_recovery_keeps_them_until_the_processor_is_brought_back() {
    let machine = Machine::stm32mp15();
    let resident = running(&machine, "x", &QUIET);
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    assert_eq!(
        (machine.processor().as_str(), settings(&machine)),
        ("crashed", ["disabled".into(), "enabled".into()])
    );
    machine.run(&["delete", "x"]).ok();
    assert_eq!(settings(&machine), ["enabled", "disabled"]);
    machine.assert_clean();
}

/// Before means before the crashed one: the next container takes back what that left, and then makes its own changes.
#[test]
fn the_next_container_on_a_crashed_processor_begins_with_what_was_there_before_both() {
    for own in [&[][..], &[("recovery", "disabled"), ("coredump", "inline")]] {
        let machine = Machine::stm32mp15();
        let crashed = running(&machine, "x", &QUIET);
        machine.crash(0);
        assert_eq!(crashed.ends(), 1);
        running(&machine, "y", own);
        assert_eq!(note(&machine, "x"), None);
        let expected = if own.is_empty() { ["enabled", "disabled"] } else { ["disabled", "inline"] };
        assert_eq!(settings(&machine), expected);
        // The processor is no longer its business.
        machine.run(&["delete", "x"]).ok();
        assert_eq!(
            (machine.processor().as_str(), settings(&machine)),
            ("running", expected.map(str::to_owned))
        );
        machine.run(&["kill", "y"]).ok();
        assert_eq!(settings(&machine), ["enabled", "disabled"]);
        machine.run(&["delete", "y"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn a_recovery_that_fails_puts_them_back() {
    let machine = Machine::stm32mp15();
    machine.set(0, "coredump", "inline");
    let resident = running(&machine, "x", &[("coredump", "disabled")]);
    std::fs::remove_file(machine.firmware_of("x")).unwrap();
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    assert_eq!(
        (machine.processor().as_str(), settings(&machine)),
        ("offline", ["enabled".into(), "inline".into()])
    );
}

#[test]
fn a_stop_from_elsewhere_puts_them_back() {
    let machine = Machine::stm32mp15();
    let resident = running(&machine, "x", &QUIET);
    machine.set(0, "state", "stop");
    assert_eq!(resident.ends(), 1);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
}

#[test]
fn a_device_that_is_bound_again_keeps_what_it_has() {
    let machine = Machine::stm32mp15();
    let resident = running(&machine, "x", &QUIET);
    machine.unbind(0);
    assert_eq!(resident.ends(), 1);
    machine.fault(0, "plug", "in");
    // Its driver's own: TI's PRUs have no recovery.
    let fresh = settings(&machine);
    machine.run(&["delete", "x"]).ok();
    assert_eq!(settings(&machine), fresh);
}

#[test]
fn a_failed_start_leaves_nothing_changed() {
    let machine = Machine::stm32mp15();
    created(&machine, "x", &QUIET);
    machine.fault(0, "start-error", "EIO");
    machine.run(&["start", "x"]).refused(&["processor m4", "(EIO)"]);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_refusal_because_of_somebody_elses_firmware_changes_nothing() {
    let machine = Machine::stm32mp15();
    machine.run_something_else();
    created(&machine, "x", &QUIET);
    machine.run(&["start", "x"]).refused(&["booted by something else"]);
    assert_eq!((settings(&machine), note(&machine, "x")), (["enabled".into(), "disabled".into()], None));
}

#[test]
fn a_processor_whose_attributes_take_no_writes_refuses_the_start() {
    let spec = ProcessorSpec::new("m4", "soc/m4.rproc").windows(&[(0x1000_0000, 0x6_0000)]).read_only(true);
    let machine = Machine::simulated(BoardSpec::new("Closed", &["test,closed"]).processor(spec));
    created(&machine, "x", &QUIET);
    machine.run(&["start", "x"]).refused(&["processor m4", "open ", "hint: "]);
    assert_eq!(settings(&machine), ["enabled", "disabled"]);
}

/// Plain files in place of a processor, as a kernel shows one that lacks some attributes.
#[test]
fn a_kernel_without_the_setting_refuses_the_start_and_keeps_the_others() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let host = machine.scratch().join("old");
    let processor = host.join("sys/class/remoteproc/remoteproc0");
    std::fs::create_dir_all(&processor).unwrap();
    std::fs::create_dir_all(host.join("lib/firmware")).unwrap();
    for (name, value) in [("name", "m4"), ("state", "offline"), ("firmware", "none")] {
        std::fs::write(processor.join(name), value).unwrap();
    }
    let bundle = Bundle::new(&machine.scratch().join("bundle"), "m4", crate::harness::BLINK);
    let runtime = |args: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.arg("--root").arg(machine.state_root()).arg("--host-root").arg(&host).args(args);
        Outcome::of(command, machine.scratch())
    };
    let refused = |setting: &str, value: &str| {
        bundle.edit(|config| {
            config["annotations"] = json!({ "remoteproc.name": "m4", "remoteproc.coredump": "enabled" });
            config["annotations"][format!("remoteproc.{setting}")] = json!(value);
        });
        runtime(&["create", "--bundle", bundle.path.to_str().unwrap(), "x"]).ok();
        let outcome = runtime(&["start", "x"]);
        outcome.clone().refused(&[
            "container x: processor m4: set ",
            &format!("remoteproc0/{setting}: No such file or directory (ENOENT)"),
        ]);
        assert!(outcome.hint().contains("leave the annotation out"), "{}", outcome.hint());
        assert_eq!(note(&machine, "x"), None);
        runtime(&["delete", "x"]).ok();
    };
    refused("coredump", "inline");
    // A file is not cut by a write as an attribute is: what was there is what it begins with.
    std::fs::write(processor.join("coredump"), "inline").unwrap();
    refused("recovery", "disabled");
    assert!(std::fs::read_to_string(processor.join("coredump")).unwrap().starts_with("inline"));
    assert_eq!(std::fs::read_to_string(processor.join("state")).unwrap(), "offline");
}

#[test]
fn a_stop_may_take_as_long_as_the_container_says() {
    let machine = Machine::stm32mp15();
    let resident = running(&machine, "x", &[("stop-timeout", "1")]);
    {
        let _hang = machine.hang(0, "stop-hangs");
        let (outcome, took) = timed(|| machine.run(&["kill", "x"]));
        outcome.refused(&["its driver has not answered in 1 s"]);
        assert!((Duration::from_millis(900)..Duration::from_secs(8)).contains(&took), "{took:?}");
        let (outcome, took) = timed(|| machine.run(&["delete", "--force", "x"]));
        outcome.refused(&["its driver has not answered in 1 s"]);
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    wait_for_end(resident.pid);
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();

    running(&machine, "y", &[("stop-timeout", "30")]);
    machine.fault(0, "stop-delay-ms", "11000");
    let (outcome, took) = timed(|| machine.run(&["kill", "y"]));
    outcome.ok();
    assert!(took > Duration::from_secs(10), "longer than without the annotation: {took:?}");
}
