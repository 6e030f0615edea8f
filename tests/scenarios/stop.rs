//! kill: the processor is offline and the proxy has ended when it answers, or it says what is pending.

use std::time::Duration;

use crate::harness::{KILL_LIMIT, Machine, Outcome, at_once, eventually, is_alive, timed};

/// Below that limit by far.
const SOON: Duration = Duration::from_secs(8);

/// Every spelling of every signal that stops a firmware.
const STOP: [&str; 12] =
    ["TERM", "SIGTERM", "15", "term", "INT", "2", "HUP", "1", "QUIT", "SIGQUIT", "37", "RTMIN+3"];

#[test]
fn every_stop_signal_stops_the_firmware_before_kill_answers() {
    let machine = Machine::stm32mp15();
    for signal in STOP {
        let resident = machine.running_resident("x");
        machine.run(&["kill", "x", signal]).ok();
        // Looked at in this order: the processor first, so that nothing is waited for.
        assert_eq!((machine.processor().as_str(), is_alive(resident.pid)), ("offline", false), "{signal}");
        assert_eq!((machine.status("x").as_str(), resident.ends()), ("stopped", 0), "{signal}");
        assert!(resident.said().ends_with("m4: stopped\n"), "{signal}: {}", resident.said());
        machine.run(&["delete", "x"]).ok();
    }
    machine.assert_clean();
}

#[test]
fn without_a_signal_it_is_term() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.processor().as_str(), resident.ends()), ("offline", 0));
}

#[test]
fn every_stop_signal_ends_a_container_that_was_not_started() {
    let machine = Machine::stm32mp15();
    for signal in STOP {
        let resident = machine.created_resident("x");
        machine.run(&["kill", "x", signal]).ok();
        assert_eq!((machine.status("x").as_str(), resident.ends()), ("stopped", 0), "{signal}");
        assert_eq!((machine.processor().as_str(), resident.said().as_str()), ("offline", ""));
        machine.run(&["delete", "x"]).ok();
    }
    machine.assert_clean();
}

#[test]
fn signals_past_all_verbs_do_the_same() {
    let machine = Machine::stm32mp15();
    for signal in ["TERM", "INT", "HUP", "QUIT", "37"] {
        for started in [false, true] {
            let resident = machine.created_resident("x");
            if started {
                machine.run(&["start", "x"]).ok();
            }
            resident.signal(signal);
            assert_eq!((resident.ends(), machine.processor().as_str()), (0, "offline"), "{signal} {started}");
            machine.run(&["delete", "x"]).ok();
        }
    }
    machine.assert_clean();
}

#[test]
fn other_signals_to_the_proxy_do_nothing() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    for signal in ["USR1", "USR2", "ALRM", "PIPE", "CHLD", "CONT", "WINCH", "34"] {
        resident.signal(signal);
    }
    resident.signal("TERM");
    assert_eq!((resident.ends(), machine.processor().as_str()), (0, "offline"));
}

#[test]
fn kill_ends_the_proxy_and_then_stops_what_it_left() {
    let machine = Machine::stm32mp15();
    for signal in ["KILL", "SIGKILL", "9"] {
        let resident = machine.running_resident("x");
        machine.run(&["kill", "x", signal]).ok();
        assert_eq!((machine.processor().as_str(), is_alive(resident.pid)), ("offline", false));
        assert_eq!((machine.status("x").as_str(), resident.ends()), ("stopped", 137));
        assert_eq!(machine.stored_firmware().len(), 1, "the file goes with delete");
        machine.run(&["delete", "x"]).ok();

        let resident = machine.created_resident("x");
        machine.run(&["kill", "x", signal]).ok();
        assert_eq!((machine.status("x").as_str(), resident.ends()), ("stopped", 137));
        machine.run(&["delete", "x"]).ok();
    }
    machine.assert_clean();
}

#[test]
fn a_proxy_that_is_killed_while_kill_waits_for_it_leaves_nothing_running() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    resident.signal("STOP");
    std::thread::scope(|scope| {
        let kill = scope.spawn(|| machine.run(&["kill", "x"]));
        let status = format!("/proc/{}/status", resident.pid);
        // SIGTERM is number 15, so bit 14.
        eventually("the signal is there", || {
            let text = std::fs::read_to_string(&status).unwrap();
            let pending = text.lines().find_map(|line| line.strip_prefix("ShdPnd:\t")).unwrap().to_owned();
            u64::from_str_radix(&pending, 16).unwrap() & 1 << 14 != 0
        });
        resident.signal("KILL");
        kill.join().unwrap().ok();
    });
    assert_eq!(resident.ends(), 137);
    assert_eq!((machine.processor().as_str(), machine.status("x").as_str()), ("offline", "stopped"));
}

#[test]
fn kill_leaves_a_crashed_processor_with_its_evidence() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let resident = machine.running_resident("x");
    // So that it does not see the crash, and is still there to be killed.
    resident.signal("STOP");
    machine.crash(0);
    machine.await_processor(0, "crashed");
    machine.run(&["kill", "x", "KILL"]).ok();
    assert_eq!((resident.ends(), machine.processor().as_str()), (137, "crashed"));
}

#[test]
fn kill_does_not_stop_what_something_else_runs_by_now() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    resident.signal("STOP");
    machine.set(0, "state", "stop");
    machine.run_something_else();
    machine.run(&["kill", "x", "KILL"]).ok();
    assert_eq!((resident.ends(), machine.processor().as_str()), (137, "running"));
    machine.run(&["delete", "x"]).ok();
    assert_eq!((machine.processor().as_str(), machine.stored_firmware().len()), ("running", 1));
}

#[test]
fn signal_0_only_tests() {
    let machine = Machine::stm32mp15();
    let resident = machine.created_resident("x");
    machine.run(&["kill", "x", "0"]).ok();
    assert_eq!(machine.status("x"), "created");
    machine.run(&["start", "x"]).ok();
    machine.run(&["kill", "x", "0"]).ok();
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
    machine.run(&["kill", "x"]).ok();
    machine.run(&["kill", "x", "0"]).refused(&["container x", "container not running"]);
    assert_eq!(resident.ends(), 0);
}

#[test]
fn other_signals_are_refused_with_the_list_and_have_no_effect() {
    let machine = Machine::stm32mp15();
    let created = machine.created_resident("created");
    let running = machine.running_resident("running");
    for signal in ["USR1", "SIGUSR1", "10", "USR2", "STOP", "19", "CONT", "64", "-5", "x", ""] {
        for id in ["created", "running"] {
            let list = "TERM, INT, HUP, QUIT and 37 stop it, KILL ends its proxy at once, 0 only tests";
            machine.run(&["kill", "--signal", signal, id]).refused(&["means nothing to a firmware", list]);
            assert_eq!(machine.status(id), id, "{signal}");
        }
    }
    assert_eq!((machine.processor().as_str(), created.said().as_str()), ("running", ""));
    assert_eq!(running.said().lines().count(), 1, "{}", running.said());
}

#[test]
fn only_created_and_running_containers_are_signalled() {
    let machine = Machine::stm32mp15();
    machine.run(&["kill", "x"]).refused(&["container x: container does not exist"]);
    machine.running("x");
    machine.run(&["kill", "x"]).ok();
    for signal in ["TERM", "KILL", "0", "37"] {
        machine.run(&["kill", "x", signal]).refused(&["container x: container not running"]);
    }
    // Another container's firmware is none of its business.
    machine.running("y");
    machine.run(&["kill", "x", "KILL"]).refused(&["container not running"]);
    assert_eq!((machine.status("y").as_str(), machine.processor().as_str()), ("running", "running"));
}

#[test]
fn all_is_accepted_since_a_container_has_one_process() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    machine.run(&["kill", "--all", "x", "15"]).ok();
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn a_stop_that_the_kernel_refuses_is_an_error_and_the_container_still_runs() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    for (errno, words) in [("EBUSY", "usy (EBUSY)"), ("ETIMEDOUT", "(ETIMEDOUT)")] {
        machine.fault(0, "stop-error", errno);
        let outcome = machine.run(&["kill", "x"]);
        outcome.clone().refused(&["container x: processor m4: write \"stop\" to ", "/state: ", words]);
        let kernel = outcome.lines("kernel: ");
        assert!(kernel.iter().any(|line| line.contains("can't stop rproc: -")), "{kernel:?}");
        assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
        let name = machine.attribute(0, "firmware");
        assert_eq!(machine.stored_firmware(), [name], "its file stays");
    }
    assert_eq!(resident.said().matches("not stopped: the kernel refused to stop it").count(), 2);
    // The signal is not lost on a proxy that had one refused: the next one works.
    machine.heal(0, "stop-error");
    machine.run(&["kill", "x"]).ok();
    assert_eq!((machine.processor().as_str(), resident.ends()), ("offline", 0));
}

#[test]
fn a_kill_whose_stop_is_refused_after_kill_says_so_too() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    machine.fault(0, "stop-error", "EIO");
    machine.run(&["kill", "x", "KILL"]).refused(&["processor m4", "\"stop\"", "(EIO)"]);
    assert_eq!((resident.ends(), machine.status("x").as_str()), (137, "stopped"));
    assert_eq!(machine.processor(), "running", "nobody could stop it");
    machine.run(&["delete", "x"]).refused(&["(EIO)"]);
    assert_eq!(machine.stored_firmware().len(), 1, "the kernel may need it");
    machine.heal(0, "stop-error");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn starts_of_somebody_else_are_stopped_as_often_as_they_were_made() {
    let machine = Machine::stm32mp15();
    for signal in ["TERM", "KILL"] {
        machine.running("x");
        for _ in 0..3 {
            machine.set(0, "state", "start");
        }
        machine.assert_starts(0, 4);
        machine.run(&["kill", "x", signal]).ok();
        assert_eq!(machine.processor(), "offline");
        machine.assert_starts(0, 0);
        machine.run(&["delete", "x"]).ok();
    }
}

#[test]
fn a_slow_stop_is_waited_for() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "stop-delay-ms", "1500");
    let resident = machine.running_resident("x");
    let (outcome, took) = timed(|| machine.run(&["kill", "x"]));
    outcome.ok();
    assert_eq!((machine.processor().as_str(), resident.ends()), ("offline", 0));
    assert!(took >= Duration::from_millis(1500), "{took:?}");
}

#[test]
fn a_kill_beside_a_slow_one_waits_for_the_same_end() {
    let machine = Machine::stm32mp15();
    machine.fault(0, "stop-delay-ms", "1000");
    machine.running("x");
    let kill = || {
        assert_eq!(machine.run(&["kill", "x"]).code, 0);
        assert_eq!(machine.processor(), "offline");
    };
    at_once(vec![Box::new(kill), Box::new(kill)]);
}

/// What each verb says while a stop hangs in the driver, and that it says so in time.
#[test]
fn while_a_stop_hangs_every_verb_answers_in_its_limit_with_the_truth() {
    let machine = Machine::with_two_processors();
    let resident = machine.running_resident("x");
    let hang = machine.hang(0, "stop-hangs");
    let pending =
        |args: &'static [&'static str], words: &'static [&'static str]| -> Box<dyn FnOnce() + Send + '_> {
            let machine = &machine;
            Box::new(move || {
                let (outcome, took): (Outcome, Duration) = timed(|| machine.run(args));
                outcome.refused(words);
                assert!(KILL_LIMIT.contains(&took), "{args:?}: {took:?}");
            })
        };
    let (_, took) = timed(|| {
        at_once(vec![
            pending(&["kill", "x"], &["processor m4", "driver has not answered in 10 s", "state tells when"]),
            Box::new(|| {
                machine.await_phase("x", "stopping");
                pending(&["kill", "x"], &["driver has not answered in 10 s"])();
            }),
        ]);
        at_once(vec![
            pending(&["kill", "x", "KILL"], &["until it does the proxy cannot be killed"]),
            pending(&["delete", "--force", "x"], &["until it does the proxy cannot be killed"]),
        ]);
    });
    assert!(took < 2 * KILL_LIMIT.end, "{took:?}");
    let (_, took) = timed(|| {
        assert_eq!(machine.status("x"), "running", "the firmware may still run");
        machine.run(&["delete", "x"]).refused(&["cannot delete", "running"]);
        assert!(machine.run(&["list"]).ok().contains("running"));
        machine.run(&["ps", "x"]).ok();
        machine.resident_on("y", "other");
        machine.run(&["start", "y"]).ok();
        machine.run(&["delete", "--force", "y"]).ok();
    });
    assert!(took < SOON, "{took:?}");
    assert_eq!(machine.stored_firmware().len(), 1);
    drop(hang);
    // The KILL was taken before: it comes to effect now, and what the proxy left is stopped by delete.
    assert_eq!(resident.ends(), 137);
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_stop_that_answers_late_still_ends_the_container() {
    let machine = Machine::stm32mp15();
    let resident = machine.running_resident("x");
    let hang = machine.hang(0, "stop-hangs");
    machine.run(&["kill", "x"]).refused(&["driver has not answered in 10 s"]);
    drop(hang);
    assert_eq!((resident.ends(), machine.processor().as_str()), (0, "offline"));
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}
