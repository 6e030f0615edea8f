//! From run to rm.

use crate::harness::{Container, Outcome, Status, engine};

#[test]
fn a_container_that_runs_is_a_firmware_that_runs() {
    let engine = engine();
    engine.running_blink("one");
    let machine = engine.machine();
    let [stored] = machine.stored().try_into().unwrap();
    assert!(stored.starts_with("blink.elf-"), "{stored}");
    assert_eq!(machine.read("sys/class/remoteproc/remoteproc0/firmware"), stored);
    assert_eq!((engine.running(), engine.status("one")), (vec!["one".to_owned()], Status::Running));
}

#[test]
fn its_process_is_the_proxy() {
    let engine = engine();
    engine.running_blink("one");
    assert_eq!(engine.machine().process_name(engine.pid("one")).as_deref(), Some("rproc:running"));
}

#[test]
fn what_was_only_created_does_not_run() {
    let engine = engine();
    let Some(created) = engine.create(&Container::named("one")) else {
        println!("skipped: this engine creates with the start");
        return;
    };
    created.ok();
    assert_eq!((engine.running(), engine.status("one")), (vec![], Status::Created));
    assert_eq!(engine.machine().processor(), "offline");
    engine.start("one").ok();
    assert_eq!((engine.machine().processor().as_str(), engine.status("one")), ("running", Status::Running));
}

#[test]
fn stop_ends_it_with_0_and_start_begins_anew() {
    let engine = engine();
    engine.running_blink("one");
    for _ in 0..2 {
        let pid = engine.pid("one");
        engine.stop("one").ok();
        assert_eq!(engine.machine().processor(), "offline");
        assert_eq!(engine.ended("one"), 0);
        assert!(engine.machine().is_gone(pid) && engine.running().is_empty());
        engine.start("one").ok();
        assert_eq!(
            (engine.machine().processor().as_str(), engine.status("one")),
            ("running", Status::Running)
        );
    }
}

#[test]
fn a_kill_ends_it_with_137_and_the_processor_is_off() {
    let engine = engine();
    engine.running_blink("one");
    engine.kill("one", "KILL").ok();
    engine.machine().await_processor("offline");
    assert_eq!(engine.ended("one"), 137);
    engine.start("one").ok();
    assert_eq!(engine.machine().processor(), "running");
}

#[test]
fn a_signal_that_asks_for_the_end_ends_it_with_0() {
    let engine = engine();
    engine.running_blink("one");
    engine.kill("one", "INT").ok();
    assert_eq!(engine.ended("one"), 0);
    assert_eq!(engine.machine().processor(), "offline");
}

#[test]
fn what_has_ended_is_removed_without_a_trace() {
    let engine = engine();
    engine.running_blink("one");
    engine.stop("one").ok();
    assert_eq!(engine.ended("one"), 0);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}

#[test]
fn what_runs_is_removed_by_force_without_a_trace() {
    let engine = engine();
    engine.running_blink("one");
    engine.remove_by_force("one").ok();
    engine.machine().assert_clean();
    // The name and the processor are free again.
    engine.running_blink("one");
}

#[test]
fn its_log_tells_what_became_of_it() {
    let engine = engine();
    engine.running_blink("one");
    let booted = format!("remoteproc-runtime: m4: booted {}\n", engine.machine().stored().join(" "));
    engine.stop("one").ok();
    engine.await_log("one", &booted);
    engine.await_log("one", "remoteproc-runtime: m4: stopped\n");
}

#[test]
fn an_update_costs_one_stop_and_one_start() {
    let engine = engine();
    let machine = engine.machine();
    engine.running_blink("old");
    let new = Container { image: "bare", ..Container::named("new") };
    let created = engine.create(&new).map(Outcome::ok);
    assert_eq!(machine.processor(), "running");
    engine.stop("old").ok();
    if created.is_some() { engine.start("new") } else { engine.run(&new) }.ok();
    assert!(machine.read("sys/class/remoteproc/remoteproc0/firmware").starts_with("bare.elf-"));
    let counts = |words| machine.kernel_said(words);
    assert_eq!(counts("remote processor m4 is now up"), 2);
    assert_eq!(counts("stopped remote processor m4"), 1);
    assert_eq!(engine.ended("old"), 0);
    engine.remove("old").ok();
    assert_eq!((machine.processor().as_str(), engine.running()), ("running", vec!["new".to_owned()]));
}

#[test]
fn what_a_firmware_cannot_do_is_said() {
    let engine = engine();
    engine.running_blink("one");
    engine.exec("one").refused(&["exec"]);
    engine.pause("one").refused(&["pause"]);
    assert_eq!((engine.machine().processor().as_str(), engine.status("one")), ("running", Status::Running));
    engine.stop("one").ok();
    assert_eq!(engine.ended("one"), 0);
}
