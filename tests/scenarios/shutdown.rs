//! Kernels with /dev/remoteprocN: the processor stops when its proxy ends without having stopped it.

use simulated_board::BoardSpec;

use crate::harness::{A_WHILE, Machine, eventually};

fn with_device() -> Machine {
    Machine::simulated(BoardSpec::stm32mp15().character_devices(true))
}

/// Somebody opens the device and closes it again: that stops the processor if the switch is on.
fn look_at_device(machine: &Machine) {
    drop(std::fs::File::open(machine.path("dev/remoteproc0")).unwrap());
    std::thread::sleep(A_WHILE);
}

#[track_caller]
fn assert_switched_off(machine: &Machine) {
    machine.run_something_else();
    look_at_device(machine);
    assert_eq!(machine.processor(), "running", "the switch was left on");
}

#[test]
fn the_processor_stops_with_a_proxy_that_is_killed() {
    let machine = with_device();
    let resident = machine.running_resident("x");
    resident.signal("KILL");
    assert_eq!(resident.ends(), 137);
    machine.await_processor(0, "offline");
    assert_eq!(machine.status("x"), "stopped");
    machine.assert_starts(0, 0);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn the_processor_stops_with_a_proxy_that_is_killed_while_it_boots() {
    let machine = with_device();
    machine.fault(0, "start-delay-ms", "500");
    let resident = machine.created_resident("x");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        eventually("the driver starts it", || machine.kernel_log().contains("Booting fw image"));
        resident.signal("KILL");
        start.join().unwrap().refused(&["the proxy ended before it had booted the processor"]);
    });
    assert_eq!(resident.ends(), 137);
    machine.await_processor(0, "offline");
}

#[test]
fn kill_and_delete_work_as_without_the_device() {
    let machine = with_device();
    for signal in ["TERM", "KILL"] {
        machine.running("x");
        machine.run(&["kill", "x", signal]).ok();
        assert_eq!(machine.processor(), "offline");
        machine.run(&["delete", "x"]).ok();
    }
    machine.running("x");
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_firmware_that_was_stopped_leaves_the_switch_off() {
    let machine = with_device();
    machine.running("x");
    machine.run(&["kill", "x"]).ok();
    assert_switched_off(&machine);
}

#[test]
fn a_start_that_the_kernel_refused_leaves_the_switch_off() {
    let machine = with_device();
    machine.fault(0, "start-error", "EIO");
    machine.created("x");
    machine.run(&["start", "x"]).refused(&["(EIO)"]);
    machine.heal(0, "start-error");
    assert_switched_off(&machine);
}

#[test]
fn a_crashed_processor_stays_as_it_is_and_leaves_the_switch_off() {
    let machine = with_device();
    machine.set(0, "recovery", "disabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    look_at_device(&machine);
    assert_eq!(machine.processor(), "crashed");
    machine.set(0, "recovery", "recover");
    look_at_device(&machine);
    assert_eq!(machine.processor(), "running", "somebody else had it recovered");
}

#[test]
fn what_something_else_runs_is_not_stopped_by_a_start_that_is_refused() {
    for word in ["attached", "running"] {
        let machine = with_device();
        machine.fault(0, "state", word);
        machine.created("x");
        machine.run(&["start", "x"]).refused(&["something else"]);
        look_at_device(&machine);
        assert_eq!(machine.processor(), word);
    }
}
