//! What comes back: a firmware that crashed, an engine that was killed.

use crate::harness::{Container, Status, engine, eventually};

/// Which firmware the processor has.
const FIRMWARE: &str = "sys/class/remoteproc/remoteproc0/firmware";

#[test]
fn a_firmware_that_crashed_is_restarted_on_failure() {
    let engine = engine();
    let machine = engine.machine();
    machine.without_recovery();
    engine.run(&Container { restart_on_failure: true, ..Container::named("one") }).ok();
    for _ in 0..2 {
        let before = machine.read(FIRMWARE);
        machine.crash();
        eventually("another firmware runs", || {
            // Named last before a boot, after what is left of a crash is cleared away.
            machine.read(FIRMWARE) != before
                && machine.processor() == "running"
                && engine.status("one") == Status::Running
        });
    }
    // The proxy is another one each time, and the firmware is stored once.
    assert_eq!(machine.process_name(engine.pid("one")).as_deref(), Some("rproc:running"));
    assert_eq!(machine.stored().len(), 1);
}

#[test]
fn a_firmware_that_was_asked_to_end_is_not_restarted_on_failure() {
    let engine = engine();
    let machine = engine.machine();
    engine.run(&Container { restart_on_failure: true, ..Container::named("one") }).ok();
    // Not the engine's stop, which restarts nothing whatever the code.
    engine.kill("one", "TERM").ok();
    eventually("one has ended", || engine.status("one") == Status::Exited);
    assert_eq!((machine.processor().as_str(), engine.running()), ("offline", vec![]));
    assert_eq!(machine.kernel_said("remote processor m4 is now up"), 1);
    // Last: containerd tells the code when it forgets the task, and begins one where there is none.
    assert_eq!(engine.exit_code("one"), 0);
}

#[test]
fn a_firmware_outlives_its_engine_and_is_in_its_hands_again() {
    let engine = engine();
    let machine = engine.machine();
    engine.running_blink("one");
    let pid = engine.pid("one");
    engine.restart("one");
    assert_eq!((engine.status("one"), engine.pid("one")), (Status::Running, pid));
    assert_eq!(
        (machine.processor().as_str(), machine.kernel_said("remote processor m4 is now up")),
        ("running", 1)
    );
    let stopped = engine.stop("one");
    // podman 5 does as it is told, and deplores that only the monitor knew of the exit code.
    let deplored = stopped.stderr.contains("exit code could not be retrieved");
    assert!(stopped.code == 0 || deplored, "{stopped:?}");
    machine.await_processor("offline");
    assert!(machine.is_gone(pid));
    engine.remove_by_force("one").ok();
    // podman never tells the runtime of a container whose monitor it has lost.
    machine.delete_forgotten();
    machine.assert_clean();
    engine.running_blink("one");
}
