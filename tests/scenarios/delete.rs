//! delete: nothing is left, or what is left is said and can be deleted later.

use crate::harness::{KILL_LIMIT, Machine, blink, eventually, timed, wait_for_end};

#[test]
fn only_a_stopped_container_is_deleted() {
    let machine = Machine::stm32mp15();
    machine.run(&["delete", "x"]).refused(&["container x: container does not exist"]);
    let pid = machine.created("x");
    let refused = |status: &str| {
        let outcome = machine.run(&["delete", "x"]);
        let words = format!("cannot delete a container that is {status}: it must be stopped");
        outcome.clone().refused(&["container x: ", &words]);
        assert!(outcome.hint().contains("kill x first, or delete --force x"), "{}", outcome.hint());
        assert_eq!((machine.pid("x"), machine.status("x").as_str()), (pid, status));
    };
    refused("created");
    machine.run(&["start", "x"]).ok();
    refused("running");
    assert_eq!(machine.processor(), "running");
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    machine.run(&["delete", "x"]).refused(&["does not exist"]);
}

#[test]
fn by_force_a_container_of_every_status_is_deleted_with_its_proxy() {
    let machine = Machine::stm32mp15();
    for status in ["created", "running", "stopped"] {
        let resident = machine.created_resident("x");
        if status != "created" {
            machine.run(&["start", "x"]).ok();
        }
        if status == "stopped" {
            machine.run(&["kill", "x"]).ok();
        }
        let outcome = machine.run(&["delete", "--force", "x"]);
        assert_eq!((outcome.code, outcome.stderr.as_str(), outcome.stdout.as_str()), (0, "", ""), "{status}");
        machine.assert_clean();
        wait_for_end(resident.pid);
        assert_eq!(machine.processes(), Vec::<i32>::new(), "{status}");
    }
}

#[test]
fn what_a_killed_create_left_goes_with_any_delete() {
    let machine = Machine::stm32mp15();
    let resident = machine.created_resident("x");
    resident.signal("KILL");
    resident.ends();
    std::fs::remove_file(machine.state_root().join("x/record.json")).unwrap();
    assert_eq!((machine.state_entries(), machine.stored_firmware().len()), (vec!["x".to_owned()], 1));
    // There is no container all the same.
    machine.run(&["delete", "x"]).refused(&["container x: container does not exist"]);
    machine.assert_clean();
}

#[test]
fn by_force_an_unknown_id_is_no_error_and_a_bad_one_is() {
    let machine = Machine::stm32mp15();
    machine.created("other");
    for id in ["x", "other2"] {
        let outcome = machine.run(&["delete", "--force", id]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    }
    machine.run(&["delete", "--force", "../other"]).refused(&["invalid container id"]);
    assert_eq!(machine.status("other"), "created");
}

#[test]
fn after_a_delete_the_id_can_be_used_again() {
    let machine = Machine::stm32mp15();
    for _ in 0..3 {
        machine.running("x");
        machine.run(&["kill", "x"]).ok();
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn what_a_dead_proxy_left_running_is_stopped_first() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    assert_eq!((machine.processor().as_str(), machine.stored_firmware().len()), ("running", 1));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    machine.assert_starts(0, 0);
}

#[test]
fn a_crashed_processor_is_brought_back_while_its_firmware_is_still_there() {
    let machine = Machine::stm32mp15();
    for force in [&["delete", "x"][..], &["delete", "--force", "x"]] {
        machine.set(0, "recovery", "disabled");
        let resident = machine.running_resident("x");
        machine.crash(0);
        assert_eq!((resident.ends(), machine.processor().as_str()), (1, "crashed"));
        machine.run(force).ok();
        machine.assert_clean();
        // Not wedged: the kernel's count is back at none.
        machine.assert_starts(0, 0);
        machine.running("y");
        machine.run(&["delete", "--force", "y"]).ok();
    }
}

#[test]
fn a_processor_that_runs_something_else_is_left_alone_and_the_firmware_goes() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    machine.set(0, "state", "stop");
    machine.run_something_else();
    machine.run(&["delete", "x"]).ok();
    assert_eq!((machine.processor().as_str(), machine.state_entries().len()), ("running", 0));
    assert_eq!(machine.stored_firmware(), ["other.elf"]);
}

#[test]
fn a_crash_of_something_else_is_left_with_its_evidence() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    machine.run(&["kill", "x"]).ok();
    machine.set(0, "recovery", "disabled");
    machine.run_something_else();
    machine.crash(0);
    machine.await_processor(0, "crashed");
    machine.run(&["delete", "x"]).ok();
    assert_eq!((machine.processor().as_str(), machine.stored_firmware().len()), ("crashed", 1));
}

#[test]
fn a_stop_that_the_kernel_refuses_keeps_everything_for_a_later_delete() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    let firmware = machine.stored_firmware();
    machine.fault(0, "stop-error", "EBUSY");
    for verb in [&["delete", "x"][..], &["delete", "--force", "x"]] {
        let outcome = machine.run(verb);
        outcome.clone().refused(&["container x: processor m4: write \"stop\" to ", "(EBUSY)"]);
        assert!(!outcome.lines("kernel: ").is_empty(), "{}", outcome.stderr);
        assert_eq!((machine.status("x").as_str(), machine.stored_firmware()), ("stopped", firmware.clone()));
    }
    machine.heal(0, "stop-error");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_recovery_that_the_kernel_refuses_keeps_the_record() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    machine.fault(0, "stop-error", "EIO");
    machine.run(&["delete", "x"]).refused(&["container x: processor m4: "]);
    assert_eq!((machine.processor().as_str(), machine.stored_firmware().len()), ("crashed", 1));
    machine.heal(0, "stop-error");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_stop_that_hangs_is_given_up_after_10_s_and_finished_by_a_later_delete() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    let hang = machine.hang(0, "stop-hangs");
    let (outcome, took) = timed(|| machine.run(&["delete", "--force", "x"]));
    outcome.refused(&["container x: processor m4: ", "has not answered the stop in time", "hint: "]);
    assert!(KILL_LIMIT.contains(&took), "{took:?}");
    assert_eq!((machine.status("x").as_str(), machine.stored_firmware().len()), ("stopped", 1));
    drop(hang);
    machine.await_processor(0, "offline");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    eventually("the helper has ended", || machine.processes().is_empty());
}

#[test]
fn a_device_that_is_gone_holds_nothing_up() {
    let machine = Machine::stm32mp15();
    for force in [false, true] {
        let resident = machine.running_resident("x");
        machine.fault(0, "plug", "out");
        if !force {
            assert_eq!(resident.ends(), 1);
        }
        machine.run(if force { &["delete", "--force", "x"] } else { &["delete", "x"] }).ok();
        assert_eq!((machine.state_entries().len(), machine.stored_firmware().len()), (0, 0));
        machine.fault(0, "plug", "in");
    }
}

#[test]
fn a_firmware_file_that_is_gone_already_is_no_error() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    machine.run(&["kill", "x"]).ok();
    std::fs::remove_file(machine.firmware_of("x")).unwrap();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn what_others_keep_in_the_firmware_directory_stays() {
    let machine = Machine::stm32mp15();
    let vendor = machine.firmware_directory().join("vendor.elf");
    std::fs::write(&vendor, blink()).unwrap();
    machine.running("x");
    machine.run(&["delete", "--force", "x"]).ok();
    assert_eq!(machine.stored_firmware(), ["vendor.elf"]);
}

#[test]
fn a_damaged_record_is_an_error_and_cleared_by_force() {
    let machine = Machine::stm32mp15();
    for damage in ["", "{", "{\"version\": 7}", "[]", "null"] {
        let resident = machine.running_resident("x");
        std::fs::write(machine.state_root().join("x/record.json"), damage).unwrap();
        machine.run(&["delete", "x"]).refused(&["container x: ", "record.json "]);
        assert_eq!(machine.processor(), "running");
        let outcome = machine.run(&["delete", "--force", "x"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(outcome.stderr.starts_with("warning: "), "{}", outcome.stderr);
        assert_eq!(resident.ends(), 137);
        machine.assert_clean();
    }
}

#[test]
fn a_forced_delete_while_the_driver_boots_leaves_nothing() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-delay-ms", "1000");
    let resident = machine.created_resident("x");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        machine.await_phase("x", "starting");
        machine.run(&["delete", "--force", "x"]).ok();
        assert_eq!(start.join().unwrap().code, 1);
    });
    assert_eq!(resident.ends(), 137);
    machine.assert_clean();
}

#[test]
fn a_forced_delete_while_the_driver_stops_leaves_nothing() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "stop-delay-ms", "1000");
    machine.running("x");
    std::thread::scope(|scope| {
        let kill = scope.spawn(|| machine.run(&["kill", "x"]));
        machine.await_phase("x", "stopping");
        machine.run(&["delete", "--force", "x"]).ok();
        kill.join().unwrap();
    });
    machine.assert_clean();
}
