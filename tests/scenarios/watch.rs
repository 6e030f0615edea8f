//! The proxy's second phase: crashes, recoveries, stops from elsewhere, devices that vanish.

use std::time::Duration;

use simulated_board::{BoardSpec, ProcessorSpec};

use crate::harness::{A_WHILE, Machine, Resident, eventually, log_modes, memory_of, timed};

fn with_log(mode: &str) -> Machine {
    let machine = Machine::stm32mp15();
    machine.set_log(mode);
    machine
}

fn without_recovery(mode: &str) -> Machine {
    let machine = with_log(mode);
    machine.set(0, "recovery", "disabled");
    machine
}

/// Its end, with 1 and with exactly one line about it that has all of `words`.
#[track_caller]
fn ends_with_one_line(resident: &Resident, words: &[&str]) {
    assert_eq!(resident.ends(), 1, "{}", resident.said());
    let said = resident.said();
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(said.matches(": ended: ").count(), 1, "{said}");
    for word in words {
        assert!(last.contains(word), "{word:?} is not in: {last}");
    }
}

#[test]
fn a_crash_without_recovery_ends_the_container_and_leaves_the_evidence() {
    for &mode in log_modes() {
        let machine = without_recovery(mode);
        let resident = machine.running_resident("x");
        machine.crash(0);
        ends_with_one_line(&resident, &["m4: ended: crashed, and its recovery is disabled"]);
        assert_eq!(resident.said().contains("(crash detected in m4: type watchdog)"), mode == "on");
        assert_eq!(resident.said().lines().count(), 2, "booted, ended: {}", resident.said());
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "crashed"));
        assert_eq!(machine.stored_firmware(), [machine.attribute(0, "firmware")]);
    }
}

#[test]
fn a_crash_is_noticed_at_once_through_the_kernels_log() {
    let machine = without_recovery("on");
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let resident = machine.running_resident("x");
        let (_, took) = timed(|| {
            machine.crash(0);
            assert_eq!(resident.ends(), 1);
        });
        fastest = fastest.min(took);
        machine.run(&["delete", "x"]).ok();
    }
    // Polls alone, of five seconds each, would not be that early five times out of five.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[test]
fn a_crash_that_the_kernel_recovers_from_is_told_and_is_no_end() {
    for &mode in log_modes() {
        let machine = with_log(mode);
        // Long enough for a poll of a second to see it.
        machine.fault(0, "recovery-delay-ms", "2400");
        let resident = machine.running_resident("x");
        machine.crash(0);
        machine.await_processor(0, "crashed");
        assert_eq!(machine.status("x"), "running");
        resident.await_words("m4: recovered by the kernel after a crash");
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
        assert_eq!(resident.said().contains("(crash detected in m4: type watchdog)"), mode == "on");
        machine.run(&["kill", "x"]).ok();
        assert_eq!(resident.ends(), 0);
    }
}

#[test]
fn a_recovery_too_fast_for_any_poll_is_told_by_the_log() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    for round in 1..=3 {
        machine.crash(0);
        let told = "m4: recovered by the kernel after a crash (crash detected in m4: type watchdog)";
        eventually("it is told", || resident.said().matches(told).count() == round);
    }
    assert_eq!(machine.status("x"), "running");
}

#[test]
fn a_crash_after_a_recovered_one_is_an_end_of_its_own() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    ends_with_one_line(&resident, &["crashed, and its recovery is disabled"]);
}

#[test]
fn a_crash_whose_recovery_fails_is_an_end() {
    for mode in ["on", "off"] {
        // The driver refuses to start it again.
        let machine = with_log(mode);
        let resident = machine.running_resident("x");
        machine.fault(0, "start-error", "EIO");
        machine.crash(0);
        machine.await_processor(0, "offline");
        let (_, took) = timed(|| ends_with_one_line(&resident, &["m4: ended: "]));
        assert!(took >= Duration::from_millis(700), "an offline may pass: {took:?}");
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn a_recovery_that_hangs_is_given_5_s() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "recovery-delay-ms", "60000");
    let resident = machine.running_resident("x");
    machine.crash(0);
    let (_, took) = timed(|| ends_with_one_line(&resident, &["crashed, and the kernel did not recover it"]));
    assert!(took >= Duration::from_secs(4), "{took:?}");
    assert_eq!(machine.status("x"), "stopped");
}

#[test]
fn a_recovery_whose_firmware_is_gone_is_an_end_and_told() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    std::fs::remove_file(machine.firmware_of("x")).unwrap();
    machine.crash(0);
    ends_with_one_line(&resident, &["crashed, and the kernel did not recover it", "crash detected in m4"]);
}

#[test]
fn a_recovery_that_is_disabled_while_it_is_awaited_ends_the_wait() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "recovery-delay-ms", "60000");
    let resident = machine.running_resident("x");
    machine.crash(0);
    machine.await_processor(0, "crashed");
    machine.set(0, "recovery", "disabled");
    ends_with_one_line(&resident, &["crashed, and its recovery is disabled"]);
}

#[test]
fn a_stop_from_elsewhere_is_an_end() {
    for mode in ["on", "off"] {
        for recovery in ["enabled", "disabled"] {
            let machine = with_log(mode);
            machine.set(0, "recovery", recovery);
            let resident = machine.running_resident("x");
            machine.set(0, "state", "stop");
            ends_with_one_line(&resident, &["m4: ended: stopped by something else"]);
            assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
        }
    }
}

#[test]
fn a_processor_that_is_detached_from_is_an_end() {
    let machine = with_log("off");
    let resident = machine.running_resident("x");
    machine.fault(0, "state", "detached");
    ends_with_one_line(&resident, &["m4: ended: detached by something else"]);
    assert_eq!(machine.processor(), "detached");
}

#[test]
fn states_in_which_a_firmware_runs_are_no_end() {
    let machine = with_log("off");
    let resident = machine.running_resident("x");
    for state in ["attached", "suspended", "running"] {
        machine.fault(0, "state", state);
        // Longer than its poll of a second.
        std::thread::sleep(Duration::from_millis(1300));
        assert_eq!(
            (machine.status("x").as_str(), resident.said().lines().count()),
            ("running", 1),
            "{state}"
        );
    }
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn a_device_that_vanishes_is_an_end() {
    for mode in ["on", "off"] {
        let machine = with_log(mode);
        let resident = machine.running_resident("x");
        // Nothing that the kernel could stop first.
        machine.fault(0, "state", "suspended");
        machine.unbind(0);
        ends_with_one_line(&resident, &["m4: ended: its device is gone"]);
        assert_eq!(machine.status("x"), "stopped");
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn a_device_that_vanishes_with_a_running_firmware_is_an_end() {
    for mode in ["on", "off"] {
        let machine = with_log(mode);
        let resident = machine.running_resident("x");
        machine.unbind(0);
        // The kernel stops it on the way, which may be seen.
        ends_with_one_line(&resident, &["m4: ended: "]);
        let said = resident.said();
        let reasons = ["its device is gone", "stopped by something else"];
        assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn a_kill_of_a_container_whose_device_vanished_succeeds() {
    let machine = with_log("off");
    let resident = machine.running_resident("x");
    machine.fault(0, "plug", "out");
    let outcome = machine.run(&["kill", "x"]);
    // Its proxy may have been faster.
    assert!(outcome.code == 0 || outcome.stderr.contains("container not running"), "{}", outcome.stderr);
    assert_eq!(resident.ends(), 1);
}

#[test]
fn what_happens_to_another_processor_is_none_of_its_business() {
    let machine = Machine::with_two_processors();
    let (x, y) = (machine.resident_on("x", "m4"), machine.resident_on("y", "other"));
    for id in ["x", "y"] {
        machine.run(&["start", id]).ok();
    }
    machine.set(1, "recovery", "disabled");
    machine.crash(1);
    ends_with_one_line(&y, &["other: ended: crashed"]);
    std::thread::sleep(A_WHILE);
    assert_eq!((machine.status("x").as_str(), x.said().lines().count()), ("running", 1), "{}", x.said());
    machine.run(&["kill", "x"]).ok();
    assert_eq!(x.ends(), 0);
}

#[test]
fn messages_that_only_look_like_a_crash_are_no_end() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    for text in [
        "remoteproc remoteproc1: crash detected in m4: type watchdog",
        "remoteproc remoteproc0: carveout crash detected in m4: type watchdog",
        "crash detected in m4",
        // As it is when it crashes; but this is a program's.
        "<0>remoteproc remoteproc0: crash detected in m4: type watchdog",
        "<0>remoteproc remoteproc0: remote processor m4 is now up",
    ] {
        machine.write("dev/kmsg", text);
        if machine.path("board").exists() && !text.starts_with('<') {
            machine.write("board/printk", text);
        }
    }
    // It would look again for a second, and say that the processor runs.
    std::thread::sleep(Duration::from_millis(1300));
    assert_eq!(resident.said().lines().count(), 1, "booted: {}", resident.said());
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    ends_with_one_line(&resident, &["crashed, and its recovery is disabled"]);
}

#[test]
fn a_log_that_is_flooded_hides_no_crash() {
    let machine = without_recovery("on");
    let resident = machine.running_resident("x");
    for number in 0..2000 {
        machine.write("dev/kmsg", &format!("usb 1-1: noise {number} {}", "x".repeat(900)));
    }
    machine.crash(0);
    ends_with_one_line(&resident, &["(crash detected in m4: type watchdog)"]);
}

#[test]
fn a_crash_between_the_log_and_the_look_is_told_with_its_reason() {
    let machine = without_recovery("on");
    let resident = machine.running_resident("x");
    machine.fault(0, "crash-at-look", "1");
    // It reads this, and nothing of a crash, and then looks.
    machine.write("dev/kmsg", "usb 1-1: noise");
    ends_with_one_line(&resident, &["crashed", "(crash detected in m4: type watchdog)"]);
}

#[test]
fn a_processor_that_crashes_while_it_is_being_stopped_is_brought_to_a_halt() {
    for recovery in ["enabled", "disabled"] {
        let machine = Machine::stm32mp15();
        machine.set(0, "recovery", recovery);
        machine.running("x");
        std::thread::scope(|scope| {
            let hang = machine.hang(0, "stop-hangs");
            let kill = scope.spawn(|| machine.run(&["kill", "x"]));
            machine.await_phase("x", "stopping");
            machine.crash(0);
            drop(hang);
            kill.join().unwrap().ok();
        });
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("stopped", "offline"));
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn a_kill_in_the_middle_of_a_recovery_stops_what_comes_of_it() {
    let machine = Machine::stm32mp15();
    for millis in [100, 600] {
        machine.fault(0, "recovery-delay-ms", "1000");
        let resident = machine.running_resident("x");
        machine.crash(0);
        machine.await_processor(0, "crashed");
        // In the first half of it the state reads crashed, in the second offline.
        std::thread::sleep(Duration::from_millis(millis));
        machine.run(&["kill", "x"]).ok();
        assert_eq!((machine.processor().as_str(), resident.ends()), ("offline", 0), "{millis}");
        machine.assert_starts(0, 0);
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn what_is_deleted_in_the_middle_of_a_recovery_does_not_run_after_it() {
    for ways in [&["delete", "--force"][..], &["kill", "--signal", "KILL"]] {
        for half in ["crashed", "offline"] {
            let machine = Machine::stm32mp15();
            machine.fault(0, "recovery-delay-ms", "1500");
            machine.running("x");
            machine.crash(0);
            // In the first half of it the state reads crashed, in the second offline.
            for state in ["crashed", half] {
                machine.await_processor(0, state);
            }
            machine.run(&[ways, &["x"]].concat()).ok();
            assert_eq!(machine.processor(), "offline", "{ways:?} while {half}");
            machine.run(&["delete", "--force", "x"]).ok();
            machine.assert_clean();
            // Nor later.
            machine.assert_starts(0, 0);
            machine.fault(0, "recovery-delay-ms", "1");
            machine.running("y");
        }
    }
}

#[test]
fn a_firmware_that_crashes_at_once_fails_its_start() {
    let machine = without_recovery("on");
    machine.fault(0, "start-delay-ms", "300");
    machine.created("x");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        eventually("the driver starts it", || machine.kernel_log().contains("Booting fw image"));
        // Handled as soon as the driver has started it.
        machine.crash(0);
        let outcome = start.join().unwrap();
        assert!(outcome.code == 0 || outcome.stderr.contains("crashed"), "{}", outcome.stderr);
    });
    machine.await_status("x", "stopped");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_start_that_fails_for_a_crash_leaves_nothing_for_the_kernel_to_recover() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "start-hangs", "1");
    machine.created("x");
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        eventually("the driver starts it", || machine.kernel_log().contains("Booting fw image"));
        machine.fault(0, "crash-at-look", "1");
        machine.fault(0, "start-hangs", "0");
        start.join().unwrap().refused(&["the kernel accepted the start, but the state reads crashed"]);
    });
    assert_eq!(machine.processor(), "offline");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_firmware_that_crashes_again_and_again_does_not_go_on_without_its_container() {
    for recovery in ["enabled", "disabled"] {
        for ways in [&["kill", "x"][..], &["kill", "x", "KILL"], &["delete", "--force", "x"]] {
            let machine = Machine::stm32mp15();
            machine.fault(0, "crashes", "fw.elf");
            machine.fault(0, "recovery-delay-ms", "20");
            machine.set(0, "recovery", recovery);
            machine.created("x");
            // It crashes before its start is done; whether it was seen running since is chance.
            if machine.run(&["start", "x"]).code == 0 {
                machine.run(ways);
            }
            machine.run(&["delete", "--force", "x"]).ok();
            machine.assert_clean();
            assert_eq!(
                (machine.processor(), machine.attribute(0, "recovery")),
                ("offline".into(), recovery.into())
            );
            // Nor later.
            machine.assert_starts(0, 0);
            machine.heal(0, "crashes");
            machine.fault(0, "recovery-delay-ms", "1");
            machine.running("y");
        }
    }
}

#[test]
fn a_driver_without_the_attribute_recovery_in_its_way_is_watched_as_well() {
    let spec = BoardSpec::new("Plain", &["test,plain"]).processor(
        ProcessorSpec::new("m4", "soc/m4.rproc")
            .windows(&[(0, 0x1_0000), (0x1000_0000, 0x6_0000)])
            .recovery(false),
    );
    let machine = Machine::simulated(spec);
    let resident = machine.running_resident("x");
    machine.crash(0);
    ends_with_one_line(&resident, &["crashed, and its recovery is disabled"]);
}

#[test]
fn a_proxys_memory_does_not_grow_with_what_it_goes_through() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    let mut told = 0;
    let mut round = || {
        machine.crash(0);
        told += 1;
        let recovered = || resident.said().matches("recovered by the kernel").count() == told;
        eventually("it is recovered", recovered);
        machine.fault(0, "stop-error", "EBUSY");
        machine.run(&["kill", "x"]).refused(&["(EBUSY)"]);
        machine.heal(0, "stop-error");
        for _ in 0..50 {
            machine.write("dev/kmsg", "noise of others");
        }
    };
    // The first ones touch pages of code and stack for the first time.
    for _ in 0..3 {
        round();
    }
    let before = memory_of(resident.pid);
    for _ in 0..20 {
        round();
    }
    before.has_not_grown_to(&memory_of(resident.pid));
    machine.run(&["kill", "x"]).ok();
}
