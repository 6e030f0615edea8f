//! What a firmware writes to its trace buffer is the container's output.

use crate::harness::{Container, engine};

const HELLO: &str = "blink 1.0 on cortex-m4: hello";

#[test]
fn the_log_has_what_the_firmware_writes_when_it_boots_and_later() {
    let engine = engine();
    engine.running_blink("one");
    engine.await_log("one", HELLO);
    engine.machine().write("board/remoteproc0/trace", "a line of later\n");
    engine.await_log("one", "a line of later");
    engine.stop("one").ok();
    engine.ended("one");
    let log = engine.logs("one");
    assert_eq!(log.matches(HELLO).count(), 1, "{log}");
}

#[test]
fn the_last_words_before_a_crash_are_in_the_log() {
    let engine = engine();
    engine.running_blink("one");
    engine.machine().write("sys/class/remoteproc/remoteproc0/recovery", "disabled");
    engine.await_log("one", HELLO);
    engine.machine().write("board/remoteproc0/trace", "assertion failed\n");
    engine.machine().write("sys/kernel/debug/remoteproc/remoteproc0/crash", "1");
    assert_eq!(engine.ended("one"), 1);
    engine.await_log("one", "assertion failed");
}

#[test]
fn a_terminal_carries_the_same() {
    let engine = engine();
    if !engine.logs_terminals() {
        println!("skipped: this engine keeps no log of a terminal");
        return;
    }
    engine.run(&Container { terminal: true, ..Container::named("one") }).ok();
    engine.await_log("one", HELLO);
    engine.stop("one").ok();
}

#[test]
fn switched_off_the_log_has_the_proxys_lines_alone() {
    let engine = engine();
    let options = ["--annotation", "remoteproc.trace=off"];
    engine.run(&Container { options: &options, ..Container::named("one") }).ok();
    engine.await_log("one", "m4: booted");
    engine.stop("one").ok();
    engine.ended("one");
    engine.await_log("one", "m4: stopped");
    let log = engine.logs("one");
    assert!(!log.contains("hello"), "{log}");
}
