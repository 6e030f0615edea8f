//! Options that mean something to a program and nothing to a firmware.

use crate::harness::{Container, Status, engine};

#[test]
fn with_a_terminal_it_runs_and_ends_as_without() {
    let engine = engine();
    engine.run(&Container { terminal: true, ..Container::named("one") }).ok();
    assert_eq!((engine.machine().processor().as_str(), engine.status("one")), ("running", Status::Running));
    engine.stop("one").ok();
    assert_eq!(engine.ended("one"), 0);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}

#[test]
fn user_volumes_environment_limits_and_a_read_only_root_change_nothing() {
    let engine = engine();
    engine.run(&Container { options: engine.unused_options(), ..Container::named("one") }).ok();
    let proxy = engine.pid("one");
    assert_eq!(engine.machine().process_name(proxy).as_deref(), Some("rproc:running"));
    // Nothing of it has reached the proxy.
    let about =
        engine.machine().shell(&format!("cat /proc/{proxy}/environ; grep ^Uid: /proc/{proxy}/status"));
    assert_eq!(about.ok(), "Uid:\t0\t0\t0\t0");
    engine.stop("one").ok();
    assert_eq!(engine.ended("one"), 0);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}

#[test]
fn an_image_names_its_processor_only_where_the_engine_takes_its_annotations_over() {
    let engine = engine();
    let named = Container { image: "named", processor: None, ..Container::named("one") };
    let outcome = engine.run(&named);
    if engine.takes_over_annotations() {
        outcome.ok();
        assert_eq!(engine.machine().processor(), "running");
        engine.remove_by_force("one");
        // What the user says goes before it.
        engine.run(&Container { processor: Some("other"), ..named }).refused(&["processor other"]);
    } else {
        outcome.refused(&["annotations.remoteproc.name: missing"]);
    }
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn an_init_before_the_firmware_is_refused() {
    let engine = engine();
    let Some(options) = engine.init_options() else {
        println!("skipped: this engine has no --init");
        return;
    };
    engine.run(&Container { options, ..Container::named("one") }).refused(&["process.args: has 3 entries"]);
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn a_dockerfile_of_two_lines_makes_an_image() {
    let engine = engine();
    let folder = engine.machine().scratch().join("context");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("blink.elf"), include_bytes!("../firmware/blink.elf")).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY blink.elf /\n").unwrap();
    let Some(built) = engine.build("built", &folder) else {
        println!("skipped: this engine builds no images");
        return;
    };
    built.ok();
    engine.run(&Container { image: "built", command: Some("blink.elf"), ..Container::named("one") }).ok();
    assert_eq!(engine.machine().processor(), "running");
}

#[test]
fn what_a_flag_of_the_runtime_says_holds_for_the_verbs_that_do_not_get_it() {
    let engine = engine();
    let Some(outcome) = engine.run_with_flags(&Container::named("one")) else {
        println!("skipped: this engine gives a runtime no flags");
        return;
    };
    outcome.ok();
    assert_eq!((engine.machine().processor().as_str(), engine.status("one")), ("running", Status::Running));
    engine.stop("one").ok();
    assert_eq!(engine.ended("one"), 0);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}
