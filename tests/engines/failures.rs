//! What an engine tells of a firmware that does not start, or does not go on.

use crate::harness::{Container, Status, engine};

#[test]
fn a_crash_ends_it_with_1() {
    let engine = engine();
    engine.machine().without_recovery();
    engine.running_blink("one");
    engine.machine().crash();
    // First the log: containerd's shim ends who collects it when the task is removed.
    engine.await_log(
        "one",
        "m4: ended: crashed, and its recovery is disabled (crash detected in m4: type watchdog)",
    );
    assert_eq!(engine.ended("one"), 1);
    // And what is left of it does not stand in the way.
    engine.start("one").ok();
    assert_eq!(engine.machine().processor(), "running");
}

#[test]
fn what_crashed_for_good_is_removed_without_a_trace() {
    let engine = engine();
    engine.machine().without_recovery();
    engine.running_blink("one");
    engine.machine().crash();
    assert_eq!(engine.ended("one"), 1);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}

#[test]
fn a_crash_that_the_kernel_recovers_from_is_no_end() {
    let engine = engine();
    engine.running_blink("one");
    engine.machine().crash();
    engine.await_log("one", "m4: recovered");
    assert_eq!((engine.machine().processor().as_str(), engine.status("one")), ("running", Status::Running));
}

#[test]
fn a_start_that_the_kernel_refuses_fails_with_the_kernels_reason() {
    let engine = engine();
    engine.machine().write("board/remoteproc0/start-error", "EIO");
    let run = engine.run(&Container::named("one"));
    let codes = engine.codes_of_a_refusal();
    assert!(codes.contains(&run.code), "{run:?}");
    run.refused(&["processor m4", "(EIO)", "can't start rproc m4: -5"]);
    assert!(engine.running().is_empty());
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn a_processor_that_is_not_there_is_named() {
    let engine = engine();
    engine.run(&Container { processor: Some("dsp"), ..Container::named("one") }).refused(&["dsp", "m4"]);
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn without_the_annotation_the_error_names_it() {
    let engine = engine();
    let refused = engine.run(&Container { processor: None, ..Container::named("one") });
    refused.refused(&["annotations.remoteproc.name: missing"]);
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn what_is_no_firmware_is_refused() {
    let engine = engine();
    // A program of this machine, whose class or size the kernel would refuse.
    let refused = engine.run(&Container { image: "text", ..Container::named("one") });
    refused.refused(&["is not an ELF file"]);
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn a_second_container_on_a_processor_is_refused_and_the_owner_named() {
    let engine = engine();
    engine.running_blink("one");
    let pid = engine.pid("one");
    engine
        .run(&Container::named("two"))
        .refused(&["processor m4: it is owned by container ", &format!("(pid {pid})")]);
    assert_eq!((engine.running(), engine.pid("one")), (vec!["one".to_owned()], pid));
    engine.remove_by_force("two");
    assert_eq!((engine.machine().processor(), engine.machine().stored().len()), ("running".into(), 1));
}
