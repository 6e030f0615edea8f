//! What a kernel does beside its sysfs files: interrupts, virtio, dumps, device numbers, processors that a boot loader
//! started. The simulated board has no part in most of it.

use crate::harness::{Ability, Machine, Resident, names_in};

/// A container of rpmsg firmware that runs.
fn with_rpmsg(machine: &Machine) -> Resident {
    let firmware = include_bytes!("../firmware/rpmsg.elf");
    let resident = machine.resident_of("x", &machine.bundle_of("x", "m4", firmware));
    machine.run(&["start", "x"]).ok();
    resident
}

fn virtio_devices(machine: &Machine) -> usize {
    names_in(&machine.path("sys/bus/virtio/devices")).len()
}

#[test]
fn firmware_with_rpmsg_brings_a_virtio_device_that_goes_with_its_container() {
    let Some(machine) = Machine::with(Ability::Rpmsg) else { return };
    let before = virtio_devices(&machine);
    let resident = with_rpmsg(&machine);
    assert_eq!(virtio_devices(&machine), before + 1);
    machine.set(0, "recovery", "enabled");
    machine.crash(0);
    resident.await_words("m4: recovered by the kernel after a crash");
    assert_eq!((machine.status("x").as_str(), virtio_devices(&machine)), ("running", before + 1));
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.processor().as_str(), virtio_devices(&machine)), ("offline", before));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn the_watchdogs_interrupt_ends_a_container_without_recovery_and_is_recovered_from_with_it() {
    for recovery in ["enabled", "disabled"] {
        let Some(machine) = Machine::with(Ability::Watchdog) else { return };
        machine.set(0, "recovery", recovery);
        let resident = machine.running_resident("x");
        machine.ring_watchdog();
        if recovery == "enabled" {
            resident.await_words("m4: recovered by the kernel after a crash");
            assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
        } else {
            assert_eq!(resident.ends(), 1);
            assert!(resident.said().contains("m4: ended: crashed, and its recovery is disabled"));
            assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "crashed"));
        }
        assert!(resident.said().contains("(crash detected in m4: type watchdog)"), "{}", resident.said());
    }
}

#[test]
fn a_dump_that_nobody_has_read_is_in_no_verbs_way() {
    let Some(machine) = Machine::with(Ability::Dumps) else { return };
    machine.set(0, "coredump", "enabled");
    machine.set(0, "recovery", "enabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    resident.await_words("m4: recovered by the kernel after a crash");
    assert_eq!(machine.dumps().len(), 1);
    assert_eq!(std::fs::read(&machine.dumps()[0]).unwrap()[..4], *b"\x7fELF");
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    assert_eq!(machine.dumps().len(), 1, "it is whoever asked for it who frees it");
}

#[test]
fn a_processor_whose_number_is_held_by_a_dump_is_found_under_the_next() {
    let Some(machine) = Machine::with(Ability::Dumps) else { return };
    machine.set(0, "coredump", "enabled");
    machine.set(0, "recovery", "enabled");
    let resident = machine.running_resident("x");
    let waiting = machine.created_resident("y");
    machine.crash(0);
    resident.await_words("m4: recovered by the kernel after a crash");
    machine.fault(0, "plug", "out");
    assert_eq!(resident.ends(), 1);
    machine.fault(0, "plug", "in");
    // Behind whichever others the board has.
    let names = names_in(&machine.path("sys/class/remoteproc"));
    assert!(!names.contains(&"remoteproc0".to_owned()), "{names:?}");
    let number = names.len();
    machine.run(&["delete", "x"]).ok();
    machine.run(&["start", "y"]).ok();
    assert_eq!(
        (machine.status("y").as_str(), machine.attribute(number, "state").as_str()),
        ("running", "running")
    );
    machine.crash(number);
    waiting.await_words("m4: recovered by the kernel after a crash");
    machine.run(&["kill", "y"]).ok();
    machine.run(&["delete", "y"]).ok();
    assert_eq!((machine.attribute(number, "state").as_str(), machine.stored_firmware()), ("offline", vec![]));
}

#[test]
fn a_processor_whose_driver_was_unbound_under_a_container_is_used_again_when_it_is_bound() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    machine.unbind(0);
    assert_eq!((resident.ends(), machine.status("x").as_str()), (1, "stopped"));
    machine.run(&["delete", "x"]).ok();
    machine.fault(0, "plug", "in");
    machine.assert_clean();
    machine.running("y");
}

#[test]
fn a_recovery_that_failed_leaves_a_processor_that_only_its_driver_brings_back() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "enabled");
    let resident = machine.running_resident("x");
    std::fs::remove_file(machine.firmware_of("x")).unwrap();
    machine.crash(0);
    assert_eq!(resident.ends(), 1);
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
    machine.run(&["delete", "x"]).ok();
    machine.created("y");
    let outcome = machine.run(&["start", "y"]);
    outcome.clone().refused(&["processor m4", "accepted the start", "offline"]);
    assert!(outcome.hint().contains("unbind and bind the driver of"), "{}", outcome.hint());
    machine.run(&["delete", "y"]).ok();
    machine.fault(0, "plug", "out");
    machine.fault(0, "plug", "in");
    machine.running("z");
}
