//! The life of a container, verb by verb.

use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::{Machine, exit_code, traced};

#[test]
fn a_firmware_is_created_started_stopped_and_deleted() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("created", "offline"));
    machine.run(&["start", "x"]).ok();
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
    assert_eq!(machine.stored_firmware(), [machine.attribute(0, "firmware")]);
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
    assert_eq!(exit_code(pid), 0);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn every_processor_of_a_board_has_its_own_container() {
    let machine = Machine::simulated(BoardSpec::am64x());
    let names = ["78000000.r5f", "78200000.r5f", "78400000.r5f", "78600000.r5f", "5000000.m4fss"];
    let firmware = FirmwareBuilder::new().segment(0, b"code").resource_table().build();
    let state = |number| machine.attribute(number, "state");
    // Both cores of a cluster: the first one starts before the second.
    for (number, name) in names.iter().enumerate() {
        machine.create(name, &machine.bundle_of(name, name, &firmware)).ok();
        machine.run(&["start", name]).ok();
        assert_eq!(state(number), "running");
        assert_eq!(machine.stored_firmware().len(), number + 1);
    }
    for (number, name) in names.iter().enumerate().rev() {
        assert_eq!(machine.status(name), "running");
        machine.run(&["kill", name]).ok();
        assert_eq!(state(number), "offline");
        machine.run(&["delete", name]).ok();
    }
    machine.assert_clean();
}

#[test]
fn the_kernel_has_the_firmware_of_its_container_and_not_that_of_another() {
    let machine = Machine::stm32mp15();
    let trace =
        || std::fs::read_to_string(machine.path("sys/kernel/debug/remoteproc/remoteproc0/trace0")).unwrap();
    machine.create("old", &machine.bundle_of("old", "m4", &traced("old firmware"))).ok();
    machine.create("new", &machine.bundle_of("new", "m4", &traced("new firmware"))).ok();
    machine.run(&["start", "old"]).ok();
    assert_eq!(trace(), "old firmware");
    machine.run(&["kill", "old"]).ok();
    machine.run(&["start", "new"]).ok();
    assert_eq!(trace(), "new firmware");
    machine.run(&["delete", "old"]).ok();
    assert_eq!((trace().as_str(), machine.stored_firmware().len()), ("new firmware", 1));
    machine.run(&["kill", "new"]).ok();
    machine.run(&["delete", "new"]).ok();
    machine.assert_clean();
}
