//! start: answers when the processor runs, and says why when it does not.

use std::time::Duration;

use simulated_board::FirmwareBuilder;

use crate::harness::{Machine, Outcome, eventually, timed};

/// Far below start's own limit of 60 s, and long for verbs that only look.
const SOON: Duration = Duration::from_secs(20);

/// Creates a container and tries to start it: what start said, and the proxy's exit code.
#[track_caller]
fn failed_start(machine: &Machine, id: &str) -> Outcome {
    let resident = machine.created_resident(id);
    let outcome = machine.run(&["start", id]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert_eq!((machine.status(id).as_str(), resident.ends()), ("stopped", 1));
    outcome
}

#[test]
fn a_start_that_answers_0_left_a_running_processor() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    machine.run(&["start", "x"]).ok();
    assert_eq!((machine.processor().as_str(), machine.status("x").as_str()), ("running", "running"));
    assert_eq!(machine.pid("x"), pid, "the container's process stays the same");
}

#[test]
fn only_a_created_container_is_started() {
    let machine = Machine::stm32mp15();
    machine.run(&["start", "x"]).refused(&["container x", "does not exist"]);
    machine.running("x");
    machine.run(&["start", "x"]).refused(&["cannot start", "is running", "must be created", "hint: "]);
    assert_eq!(machine.processor(), "running");
    machine.assert_starts(0, 1);
    machine.run(&["kill", "x"]).ok();
    machine.run(&["start", "x"]).refused(&["cannot start", "is stopped", "must be created", "hint: "]);
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn what_the_driver_refuses_is_said_in_words_with_the_kernels_lines() {
    let machine = Machine::stm32mp15();
    for (errno, words) in [
        ("EPERM", " (EPERM)"),
        ("EIO", " (EIO)"),
        ("ENXIO", " (ENXIO)"),
        ("EAGAIN", " (EAGAIN)"),
        ("ENOMEM", " (ENOMEM)"),
        ("EACCES", " (EACCES)"),
        ("EBUSY", " (EBUSY)"),
        ("EINVAL", " (EINVAL)"),
        ("EOPNOTSUPP", " (EOPNOTSUPP)"),
        ("ETIMEDOUT", " (ETIMEDOUT)"),
        // One without a name in the binary still has its words. Other words differ between C libraries.
        ("EREMOTEIO", "emote I/O error (errno 121)"),
    ] {
        machine.fault(0, "start-error", errno);
        let outcome = failed_start(&machine, errno);
        let kernel = outcome.lines("kernel: ");
        let has = |words: &str| kernel.iter().any(|line| line.contains(words));
        outcome.clone().refused(&[&format!("container {errno}"), "processor m4", "\"start\"", words]);
        assert!(has("can't start rproc m4: -") && has("Boot failed: -"), "{errno}: {kernel:?}");
        assert!(kernel.len() <= 5, "{errno}: {kernel:?}");
        assert_eq!(outcome.lines("error: ").len(), 1, "{}", outcome.stderr);
        assert_eq!(machine.processor(), "offline");
        machine.run(&["delete", errno]).ok();
    }
    machine.assert_clean();
}

#[test]
fn known_causes_have_a_hint() {
    let machine = Machine::stm32mp15();
    for (errno, hint) in [
        ("EINVAL", "its log says why"),
        ("ENOMEM", "carve-outs"),
        ("EPERM", "core 0 must start before core 1"),
        ("ETIMEDOUT", "did not answer its driver in time"),
        ("ENODEV", "bind"),
    ] {
        machine.fault(0, "start-error", errno);
        let said = failed_start(&machine, errno).hint();
        assert!(said.contains(hint), "{errno}: {said}");
    }
}

#[test]
fn a_segment_outside_the_processors_memory_is_told_by_the_kernels_line_and_a_hint() {
    let machine = Machine::stm32mp15();
    let firmware = FirmwareBuilder::new().segment(0xe00f_0000, b"code").build();
    machine.create("x", &machine.bundle_of("x", "m4", &firmware).unchecked()).ok();
    let outcome = machine.run(&["start", "x"]);
    outcome.clone().refused(&["Invalid argument (EINVAL)", "kernel: ", "bad phdr da 0xe00f0000"]);
    assert!(outcome.hint().contains("outside the processor's memory"), "{}", outcome.hint());
}

#[test]
fn a_missing_resource_table_has_a_hint_where_the_kernel_names_it() {
    let spec = simulated_board::BoardSpec::new("Strict", &["test,strict"])
        .processor(simulated_board::ProcessorSpec::new("m4", "soc/m4.rproc").needs_resource_table(true));
    let machine = Machine::simulated(spec);
    let firmware = FirmwareBuilder::new().segment(0x0, b"code").table_version(7).build();
    machine.create("x", &machine.bundle_of("x", "m4", &firmware).unchecked()).ok();
    machine.run(&["start", "x"]).refused(&["(EINVAL)", "kernel: ", "unsupported fw ver: 7", "hint: "]);
    assert_eq!(machine.status("x"), "stopped");
}

#[test]
fn a_stored_firmware_that_was_removed_is_named_with_the_place_where_the_kernel_looks() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    let firmware = machine.firmware_of("x");
    std::fs::remove_file(&firmware).unwrap();
    let outcome = machine.run(&["start", "x"]);
    outcome.clone().refused(&["No such file or directory (ENOENT)"]);
    assert!(outcome.hint().contains(firmware.to_str().unwrap()), "{}", outcome.hint());
    assert_eq!(machine.status("x"), "stopped");
}

#[test]
fn at_most_five_of_the_kernels_lines_are_shown_and_only_of_this_processor_and_attempt() {
    let machine = Machine::with_two_processors();
    machine.write("board/printk", "remoteproc remoteproc0: before the attempt");
    machine.fault(0, "start-error", "EIO");
    machine.fault(0, "start-delay-ms", "800");
    machine.created("x");
    let outcome = std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        eventually("the start has begun", || machine.kernel_log().contains("Booting fw image"));
        for number in 0..9 {
            machine.write("board/printk", &format!("remoteproc remoteproc0: meanwhile {number}"));
            machine.write("board/printk", &format!("remoteproc remoteproc1: another processor {number}"));
            machine.write("board/printk", &format!("usb 1-1: another device {number}"));
        }
        start.join().unwrap()
    });
    assert_eq!(
        outcome.lines("kernel: "),
        [
            "remoteproc remoteproc0: meanwhile 6",
            "remoteproc remoteproc0: meanwhile 7",
            "remoteproc remoteproc0: meanwhile 8",
            "remoteproc remoteproc0: can't start rproc m4: -5",
            "remoteproc remoteproc0: Boot failed: -5",
        ]
    );
}

#[test]
fn a_refusal_is_told_without_the_kernels_log_as_well() {
    for kmsg in ["off", "denied"] {
        let machine = Machine::stm32mp15();
        machine.set_log(kmsg);
        machine.fault(0, "start-error", "ETIMEDOUT");
        let outcome = failed_start(&machine, "x");
        outcome.clone().refused(&["processor m4", "timed out (ETIMEDOUT)", "hint: "]);
        assert_eq!(outcome.lines("kernel: "), Vec::<String>::new());
    }
}

/// A recovery that fails leaves the kernel's count raised: start answers 0 and nothing happens.
fn wedged() -> Machine {
    let machine = Machine::stm32mp15();
    machine.running("first");
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    machine.await_status("first", "stopped");
    machine.fault(0, "start-error", "EIO");
    machine.set(0, "recovery", "recover");
    machine.heal(0, "start-error");
    assert_eq!(machine.processor(), "offline");
    machine.assert_starts(0, 1);
    machine.run(&["delete", "first"]).ok();
    machine
}

#[test]
fn a_start_that_the_kernel_accepts_without_effect_is_a_failure() {
    let machine = wedged();
    let outcome = failed_start(&machine, "x");
    outcome.clone().refused(&["processor m4", "accepted the start", "offline"]);
    assert!(outcome.hint().contains("unbind and bind the driver of"), "{}", outcome.hint());
    machine.run(&["delete", "x"]).ok();
    // What the hint says helps.
    machine.fault(0, "plug", "out");
    machine.fault(0, "plug", "in");
    machine.running("y");
}

#[test]
fn while_a_start_waits_for_its_driver_the_other_verbs_answer() {
    let machine = Machine::with_two_processors();
    machine.created("x");
    std::thread::scope(|scope| {
        let hang = machine.hang(0, "start-hangs");
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        machine.await_phase("x", "starting");
        let (_, took) = timed(|| {
            assert_eq!(machine.status("x"), "created", "it does not run yet");
            assert!(machine.run(&["list"]).ok().contains('x'));
            machine.run(&["ps", "x"]).ok();
            machine.run(&["kill", "x", "0"]).ok();
            machine.run(&["delete", "x"]).refused(&["cannot delete", "created", "must be stopped"]);
            machine.resident_on("y", "other");
            machine.run(&["start", "y"]).ok();
            machine.run(&["delete", "--force", "y"]).ok();
        });
        assert!(took < SOON, "{took:?}");
        assert!(!start.is_finished(), "start answered before its driver");
        drop(hang);
        start.join().unwrap().ok();
    });
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
}

#[test]
fn a_slow_start_is_waited_for() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-delay-ms", "1500");
    machine.created("x");
    let (outcome, took) = timed(|| machine.run(&["start", "x"]));
    outcome.ok();
    assert_eq!(machine.processor(), "running");
    assert!(took >= Duration::from_millis(1500), "{took:?}");
}

#[test]
fn a_kill_during_a_slow_start_stops_what_it_started() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-delay-ms", "1000");
    let resident = machine.created_resident("x");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        machine.await_phase("x", "starting");
        machine.run(&["kill", "x"]).ok();
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
        assert_eq!(resident.ends(), 0);
        // Whether start saw it run depends on who was faster.
        start.join().unwrap();
    });
}

#[test]
fn a_device_that_is_gone_is_named() {
    let machine = Machine::stm32mp15();
    let resident = machine.created_resident("x");
    let gone = format!("{} is gone", machine.device(0));
    machine.fault(0, "plug", "out");
    machine.run(&["start", "x"]).refused(&["processor m4", &gone, "hint: "]);
    assert_eq!((machine.status("x").as_str(), resident.ends()), ("stopped", 1));
}

#[test]
#[ignore = "start's limit is 60 s: run it with --ignored"]
fn a_start_that_hangs_gives_up_after_60_s_and_says_what_is_pending() {
    let machine = Machine::stm32mp15();
    let hang = machine.hang(0, "start-hangs");
    let resident = machine.created_resident("x");
    let (outcome, took) = timed(|| machine.run(&["start", "x"]));
    outcome.refused(&["has not answered the start in 60 s", "still being waited for", "hint: "]);
    assert!((Duration::from_secs(60)..Duration::from_secs(70)).contains(&took), "{took:?}");
    assert_eq!(machine.status("x"), "created", "the container is not lost");
    drop(hang);
    machine.await_status("x", "running");
    machine.run(&["kill", "x"]).ok();
    assert_eq!(resident.ends(), 0);
}
