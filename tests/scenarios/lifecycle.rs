//! The life of a container, verb by verb.

use crate::harness::{Machine, exit_code};

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
