//! Without root: a user of the group remoteproc, with the files that a package installs for it.

use crate::harness::{Container, Engine, Network, Rights, Status, eventually, rootless};

#[test]
fn a_member_of_the_group_runs_firmware_without_root() {
    for network in [Network::None, Network::Host] {
        let Some(engine) = rootless(Rights::Member) else { return };
        let machine = engine.machine();
        assert!(engine.runtime(&["doctor"]).ok().contains("ok       rights: m4 can be controlled\n"));
        engine.run(&Container { network, ..Container::named("one") }).ok();
        assert_eq!((machine.processor().as_str(), engine.status("one")), ("running", Status::Running));
        let proxy = engine.pid("one");
        assert_eq!(machine.process_name(proxy).as_deref(), Some("rproc:running"));
        let ids = machine.shell(&format!("grep ^Uid: /proc/{proxy}/status")).ok();
        assert_eq!(ids, format!("Uid:\t{0}\t{0}\t{0}\t{0}", engine.user().unwrap().uid()), "{network:?}");
        assert_eq!(machine.stored().len(), 1);
        engine.await_log("one", "remoteproc-runtime: m4: booted blink.elf-");
        engine.stop("one").ok();
        assert_eq!((engine.ended("one"), machine.processor().as_str()), (0, "offline"), "{network:?}");
        engine.remove("one").ok();
        machine.assert_clean();
    }
}

#[test]
fn what_crashes_without_root_ends_with_1_and_starts_again() {
    let Some(engine) = rootless(Rights::Member) else { return };
    engine.machine().without_recovery();
    engine.running_blink("one");
    engine.machine().crash();
    assert_eq!(engine.ended("one"), 1);
    engine.start("one").ok();
    assert_eq!(engine.machine().processor(), "running");
    engine.kill("one", "KILL").ok();
    engine.machine().await_processor("offline");
    assert_eq!(engine.ended("one"), 137);
    engine.remove("one").ok();
    engine.machine().assert_clean();
}

#[test]
fn what_crashes_without_root_is_restarted_on_failure() {
    let Some(engine) = rootless(Rights::Member) else { return };
    let machine = engine.machine();
    machine.without_recovery();
    engine.run(&Container { restart_on_failure: true, ..Container::named("one") }).ok();
    let before = machine.stored();
    machine.crash();
    eventually("another firmware runs", || machine.stored() != before && machine.processor() == "running");
    engine.remove_by_force("one").ok();
    machine.assert_clean();
}

#[test]
fn who_is_not_of_the_group_is_refused_and_told_where() {
    let Some(engine) = rootless(Rights::Stranger) else { return };
    let refused = engine.run(&Container::named("one"));
    refused.refused(&["var/lib/firmware", "Permission denied (EACCES)"]);
    engine
        .runtime(&["doctor"])
        .refused(&["error    rights: m4: ", "state cannot be written: Permission denied"]);
    engine.remove_by_force("one");
    engine.machine().assert_clean();
}

#[test]
fn a_member_of_the_group_has_the_settings_that_the_annotations_ask_for() {
    let Some(engine) = rootless(Rights::Member) else { return };
    let machine = engine.machine();
    let options: &[&str] =
        &["--annotation=remoteproc.recovery=disabled", "--annotation=remoteproc.coredump=enabled"];
    engine.run(&Container { options, ..Container::named("one") }).ok();
    let settings = || {
        ["recovery", "coredump"].map(|name| machine.read(&format!("sys/class/remoteproc/remoteproc0/{name}")))
    };
    assert_eq!(settings(), ["disabled", "enabled"]);
    engine.stop("one").ok();
    assert_eq!(settings(), ["enabled", "disabled"]);
}
