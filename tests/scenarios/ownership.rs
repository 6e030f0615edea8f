//! One owner a processor: who is refused, what the refusal names, and what is freed by whom.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Holder, Machine, Outcome, early_states, skipped_without_root, wait_for_end};

/// Does what a hint says to do by hand: the words `echo WORD > PATH` in it, in order.
fn follow(hint: &str) {
    let mut done = 0;
    for step in hint.split("echo ").skip(1) {
        let mut words = step.split_whitespace();
        let (word, _, path) = (words.next().unwrap(), words.next(), words.next().unwrap());
        let file = std::fs::OpenOptions::new().write(true).open(path.trim_end_matches(','));
        std::io::Write::write_all(&mut file.unwrap(), word.as_bytes()).unwrap();
        done += 1;
    }
    assert!(done > 0, "nothing to do in: {hint}");
}

#[test]
fn a_processor_with_a_running_container_is_refused_with_its_name_and_the_way_to_free_it() {
    let machine = Machine::stm32mp15();
    let owner = machine.running("owner");
    machine.created("other");
    let outcome = machine.run(&["start", "other"]);
    outcome.clone().refused(&["container other", "processor m4", "container owner", &format!("pid {owner}")]);
    let root = machine.state_root().display();
    assert_eq!(outcome.hint(), format!("remoteproc-runtime --root {root} kill owner stops it"));
    assert_eq!((machine.status("owner").as_str(), machine.processor().as_str()), ("running", "running"));
    machine.assert_starts(0, 1);
    machine.run(&["kill", "owner"]).ok();
    machine.run(&["delete", "other"]).ok();
    machine.running("another");
}

#[test]
fn an_owner_in_another_state_directory_is_named_with_it() {
    let machine = Machine::stm32mp15();
    machine.created("here");
    let elsewhere = machine.scratch().join("elsewhere");
    let there = |args: &[&str]| {
        let mut command = Command::new(machine.command(&[]).get_program());
        command.arg("--root").arg(&elsewhere).arg("--host-root").arg(machine.host_root()).args(args);
        Outcome::of(command, machine.scratch())
    };
    let bundle = machine.bundle("there", "m4");
    there(&["create", "--bundle", bundle.path.to_str().unwrap(), "there"]).ok();
    there(&["start", "there"]).ok();
    let outcome = machine.run(&["start", "here"]);
    let root = elsewhere.to_str().unwrap();
    outcome.clone().refused(&["container there", root]);
    assert!(outcome.hint().contains(&format!("--root {root} kill there")), "{}", outcome.hint());
    there(&["kill", "there"]).ok();
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn a_lock_of_a_process_that_is_no_proxy_is_named_with_the_process() {
    let machine = Machine::stm32mp15();
    let holder = Holder::of(&machine, 0);
    machine.created("x");
    let outcome = machine.run(&["start", "x"]);
    outcome.clone().refused(&["processor m4", "process sleep", &format!("pid {}", holder.pid())]);
    assert!(outcome.hint().contains(&format!("end process {}", holder.pid())), "{}", outcome.hint());
    assert_eq!(machine.processor(), "offline");
    drop(holder);
    machine.running("y");
}

#[test]
fn a_lesser_users_lock_does_not_stop_root_who_is_warned() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    std::fs::set_permissions(machine.scratch(), PermissionsExt::from_mode(0o755)).unwrap();
    let holder = Holder::of(&machine, 65534);
    let resident = machine.created_resident("x");
    let started = machine.run(&["start", "x"]);
    assert_eq!(started.code, 0, "{}", started.stderr);
    let pid = holder.pid().to_string();
    assert!(started.stderr.contains(&pid) && started.stderr.contains("passed over"), "{}", started.stderr);
    assert!(resident.said().contains(&format!("passed over the lock of process {pid}")));
    // The one who was passed over still does not hide who has the processor.
    machine.created("y");
    machine.run(&["start", "y"]).refused(&["container x", "kill x"]);
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.processor().as_str(), resident.ends()), ("offline", 0));
}

#[test]
fn a_lesser_users_lock_does_not_stop_root_from_freeing_a_processor() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    std::fs::set_permissions(machine.scratch(), PermissionsExt::from_mode(0o755)).unwrap();
    machine.orphaned("x");
    let _holder = Holder::of(&machine, 65534);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_processor_that_something_else_booted_is_refused_and_the_hint_frees_it() {
    for &state in early_states() {
        let machine = Machine::stm32mp15();
        machine.started_by_something_else(state);
        machine.created("x");
        let outcome = machine.run(&["start", "x"]);
        outcome.clone().refused(&["processor m4", state, "something else"]);
        assert_eq!(machine.processor(), state, "it was not touched");
        follow(&outcome.hint());
        assert_eq!(machine.processor(), "offline", "{}", outcome.hint());
        machine.running("y");
    }
}

#[test]
fn a_processor_left_by_a_dead_proxy_is_refused_with_its_container_and_the_hint_frees_it() {
    let machine = Machine::stm32mp15();
    machine.orphaned("left");
    assert_eq!(machine.processor(), "running");
    machine.created("x");
    let outcome = machine.run(&["start", "x"]);
    outcome.clone().refused(&["processor m4", "running", "container left", "proxy has ended"]);
    assert!(outcome.hint().contains("delete left"), "{}", outcome.hint());
    machine.run(&["delete", "left"]).ok();
    assert_eq!(machine.processor(), "offline");
    machine.running("y");
}

#[test]
fn a_crashed_processor_that_no_living_container_owns_is_brought_back_by_start() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    machine.running("crashed");
    machine.crash(0);
    machine.await_status("crashed", "stopped");
    assert_eq!(machine.processor(), "crashed");
    machine.running("next");
    assert_eq!(machine.attribute(0, "firmware"), file_name(&machine, "next"));
    machine.assert_starts(0, 1);
    assert_eq!(machine.attribute(0, "recovery"), "disabled");
    // The crashed one goes without harm to its successor.
    machine.run(&["delete", "crashed"]).ok();
    assert_eq!((machine.status("next").as_str(), machine.processor().as_str()), ("running", "running"));
    machine.run(&["kill", "next"]).ok();
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn a_crashed_processor_whose_container_awaits_its_recovery_is_refused() {
    let machine = Machine::stm32mp15();
    machine.running("owner");
    machine.created("x");
    machine.fault(0, "recovery-delay-ms", "3000");
    machine.crash(0);
    machine.await_processor(0, "crashed");
    machine.run(&["start", "x"]).refused(&["container owner", "kill owner"]);
    machine.await_processor(0, "running");
    assert_eq!(machine.status("owner"), "running");
}

#[test]
fn an_update_costs_one_stop_and_one_start() {
    let machine = Machine::stm32mp15();
    machine.running("old");
    machine.created("new");
    assert_eq!((machine.status("old").as_str(), machine.processor().as_str()), ("running", "running"));
    assert_eq!(machine.status("new"), "created");
    assert_eq!(machine.attribute(0, "firmware"), file_name(&machine, "old"));
    machine.run(&["kill", "old"]).ok();
    machine.run(&["start", "new"]).ok();
    let stored = machine.firmware_of("new");
    machine.run(&["delete", "old"]).ok();
    assert_eq!(machine.stored_firmware(), [stored.file_name().unwrap().to_str().unwrap()]);
    assert_eq!((machine.status("new").as_str(), machine.processor().as_str()), ("running", "running"));
}

fn file_name(machine: &Machine, id: &str) -> String {
    machine.firmware_of(id).file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_device_that_returns_under_another_number_is_found_and_the_one_under_the_old_is_not_touched() {
    let machine = Machine::with_two_processors();
    machine.created("x");
    let path = |machine: &Machine| machine.state("x")["annotations"]["remoteproc.resolved-path"].clone();
    let class = machine.path("sys/class/remoteproc");
    assert_eq!(path(&machine), class.join("remoteproc0").to_str().unwrap());
    swap_numbers(&machine);
    assert_eq!(path(&machine), class.join("remoteproc3").to_str().unwrap());
    machine.run(&["start", "x"]).ok();
    assert_eq!(
        (machine.attribute(3, "state").as_str(), machine.processor().as_str()),
        ("running", "offline")
    );
    machine.run(&["kill", "x"]).ok();
    assert_eq!(machine.attribute(3, "state"), "offline");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

/// m4, which was remoteproc0, becomes remoteproc3, and other becomes remoteproc0.
fn swap_numbers(machine: &Machine) {
    for (number, plug) in [(0, "out"), (1, "out"), (0, "remoteproc3"), (1, "remoteproc0")] {
        machine.fault(number, "plug", plug);
    }
    assert_eq!((machine.attribute(0, "name"), machine.attribute(3, "name")), ("other".into(), "m4".into()));
}

#[test]
fn a_dead_proxys_firmware_is_stopped_under_another_number_and_nothing_else_is() {
    let machine = Machine::with_two_processors();
    machine.orphaned("x");
    let firmware = file_name(&machine, "x");
    swap_numbers(&machine);
    // Both run this very file, so only the device tells them apart.
    for number in [0, 3] {
        machine.set(number, "firmware", &firmware);
        machine.set(number, "state", "start");
    }
    machine.run(&["delete", "x"]).ok();
    assert_eq!(
        (machine.attribute(3, "state").as_str(), machine.processor().as_str()),
        ("offline", "running")
    );
}

#[test]
fn a_processor_that_runs_something_else_by_now_is_not_stopped() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    machine.set(0, "state", "stop");
    std::fs::copy(machine.firmware_of("x"), machine.firmware_directory().join("foreign.elf")).unwrap();
    machine.set(0, "firmware", "foreign.elf");
    machine.set(0, "state", "start");
    machine.run(&["delete", "x"]).ok();
    assert_eq!(
        (machine.processor(), machine.attribute(0, "firmware")),
        ("running".into(), "foreign.elf".into())
    );
    assert_eq!((machine.stored_firmware(), machine.state_entries()), (vec!["foreign.elf".into()], vec![]));
}

#[test]
fn the_lock_is_held_from_boot_to_stop() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    drop(machine.lock_processor(0));
    machine.run(&["start", "x"]).ok();
    let processor = std::fs::File::open(machine.path("sys/class/remoteproc/remoteproc0")).unwrap();
    let lock = || rustix::fs::flock(&processor, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    assert_eq!(lock(), Err(rustix::io::Errno::AGAIN));
    machine.run(&["kill", "x"]).ok();
    wait_for_end(pid);
    assert_eq!(lock(), Ok(()));
}
