//! Crash evidence: the memory of a processor that crashed, kept beside the state of its container.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    A_WHILE, Machine, Resident, eventually, log_modes, memory_of, names_in, processors, skipped_without_root,
};

/// Creates and starts a container on m4 whose crashes are to be dumped.
fn dumping(machine: &Machine, id: &str, annotations: &[(&str, &str)]) -> Resident {
    let bundle = machine.bundle(id, "m4");
    bundle.edit(|config| {
        for (name, value) in annotations {
            config["annotations"][format!("remoteproc.{name}")] = json!(value);
        }
    });
    let resident = machine.resident_of(id, &bundle);
    machine.run(&["start", id]).ok();
    resident
}

const ENABLED: [(&str, &str); 2] = [("recovery", "enabled"), ("coredump", "enabled")];
const INLINE: [(&str, &str); 2] = [("recovery", "enabled"), ("coredump", "inline")];

fn coredump(machine: &Machine, id: &str) -> PathBuf {
    machine.state_root().join(id).join("coredump")
}

/// Where `state` says that the dump is.
fn told(machine: &Machine, id: &str) -> Option<String> {
    Some(machine.state(id)["annotations"].get("remoteproc.coredump-path")?.as_str().unwrap().to_owned())
}

#[track_caller]
fn assert_kept(machine: &Machine, id: &str) {
    let path = coredump(machine, id);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[..4], *b"\x7fELF");
    // ET_CORE (elf.h).
    assert_eq!(bytes[16], 4);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(told(machine, id).as_deref(), path.to_str());
    assert!(!path.with_extension("part").exists());
    eventually("the kernel's is freed", || machine.dumps().is_empty());
}

#[test]
fn a_crash_that_is_recovered_from_leaves_its_dump_beside_the_state() {
    for wish in [ENABLED, INLINE] {
        for &mode in log_modes() {
            let Some(machine) = Machine::that_dumps() else { return };
            machine.set_log(mode);
            if machine.is_simulated() {
                // Long enough for a poll of a second to see it.
                machine.fault(0, "recovery-delay-ms", "2400");
            } else if mode == "off" && wish == ENABLED {
                continue;
            }
            let resident = dumping(&machine, "x", &wish);
            assert_eq!(told(&machine, "x"), None);
            machine.crash(0);
            resident.await_words("m4: recovered by the kernel after a crash");
            let path = coredump(&machine, "x");
            assert!(
                resident.said().contains(&format!("m4: dumped after a crash: {}, ", path.display())),
                "{}",
                resident.said()
            );
            assert_kept(&machine, "x");
            assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
            machine.run(&["kill", "x"]).ok();
            assert_kept(&machine, "x");
            machine.run(&["delete", "x"]).ok();
            machine.assert_clean();
            assert_eq!(machine.attribute(0, "coredump"), "disabled");
        }
    }
}

#[test]
fn a_later_crash_replaces_the_dump_of_an_earlier_one() {
    let Some(machine) = Machine::that_dumps() else { return };
    let resident = dumping(&machine, "x", &ENABLED);
    let mut inodes = Vec::new();
    for round in 1..=3 {
        machine.crash(0);
        eventually("it is kept", || resident.said().matches("dumped after a crash").count() == round);
        eventually("it is recovered", || resident.said().matches("recovered by the kernel").count() == round);
        assert_kept(&machine, "x");
        inodes
            .push(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(coredump(&machine, "x")).unwrap()));
        assert_eq!(
            names_in(&machine.state_root().join("x"))
                .iter()
                .filter(|name| name.starts_with("coredump"))
                .count(),
            1
        );
    }
    assert_ne!(inodes[0], inodes[1]);
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn the_dump_holds_the_memory_of_the_processor() {
    let machine = Machine::simulated(simulated_board::BoardSpec::stm32mp15());
    let resident = dumping(&machine, "x", &INLINE);
    machine.write("board/remoteproc0/trace", "the last words of the firmware");
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    let bytes = std::fs::read(coredump(&machine, "x")).unwrap();
    let words = b"the last words of the firmware";
    assert!(bytes.windows(words.len()).any(|window| window == words));
}

#[test]
fn without_the_wish_a_dump_is_whoevers_asked_for_it() {
    let Some(machine) = Machine::that_dumps() else { return };
    machine.set(0, "recovery", "enabled");
    machine.set(0, "coredump", "enabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    assert_eq!((machine.dumps().len(), told(&machine, "x")), (1, None));
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    assert_eq!(machine.dumps().len(), 1);
}

#[test]
fn a_dump_that_was_there_before_is_left_alone() {
    let Some(machine) = Machine::that_dumps() else { return };
    machine.set(0, "recovery", "enabled");
    machine.set(0, "coredump", "enabled");
    let before = machine.running_resident("before");
    machine.crash(0);
    before.await_words("recovered by the kernel");
    machine.run(&["kill", "before"]).ok();
    machine.run(&["delete", "before"]).ok();
    let dumps = machine.dumps();
    assert_eq!(dumps.len(), 1);
    let resident = dumping(&machine, "x", &INLINE);
    machine.crash(0);
    // The kernel drops a second one.
    resident.await_words("recovered by the kernel");
    assert_eq!((machine.dumps(), told(&machine, "x")), (dumps.clone(), None));
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    assert_eq!(machine.dumps(), dumps);
}

#[test]
fn a_config_cannot_name_the_file_itself() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["annotations"]["remoteproc.coredump-path"] = json!("/etc/shadow"));
    machine.create("x", &bundle).ok();
    assert_eq!(told(&machine, "x"), None);
}

#[test]
fn without_recovery_there_is_no_dump_and_delete_frees_the_one_that_it_makes() {
    for coredump in ["enabled", "inline"] {
        let Some(machine) = Machine::that_dumps() else { return };
        let resident = dumping(&machine, "x", &[("recovery", "disabled"), ("coredump", coredump)]);
        machine.crash(0);
        assert_eq!(resident.ends(), 1);
        assert_eq!(
            (machine.processor().as_str(), machine.dumps().len(), told(&machine, "x")),
            ("crashed", 0, None)
        );
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
        eventually("it is freed", || machine.dumps().is_empty());
        assert_eq!(machine.attribute(0, "coredump"), "disabled");
    }
}

#[test]
fn the_next_start_on_a_crashed_processor_keeps_its_dump_where_it_belongs() {
    for coredump in ["enabled", "inline"] {
        let Some(machine) = Machine::that_dumps() else { return };
        let resident = dumping(&machine, "x", &[("recovery", "disabled"), ("coredump", coredump)]);
        machine.crash(0);
        assert_eq!(resident.ends(), 1);
        let next = dumping(&machine, "y", &ENABLED);
        assert_kept(&machine, "x");
        assert_eq!(told(&machine, "y"), None);
        machine.crash(0);
        next.await_words("recovered by the kernel");
        assert_kept(&machine, "y");
        for id in ["x", "y"] {
            machine.run(&["delete", "--force", id]).ok();
        }
        machine.assert_clean();
    }
}

#[test]
fn a_proxy_that_was_killed_while_its_dump_waits_does_not_keep_the_processor() {
    let Some(machine) = Machine::that_dumps() else { return };
    let resident = dumping(&machine, "x", &INLINE);
    resident.signal("STOP");
    machine.crash(0);
    eventually("it waits", || machine.dumps().len() == 1);
    resident.signal("KILL");
    assert_eq!(resident.ends(), 137);
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
    assert_eq!(machine.attribute(0, "coredump"), "disabled");
    // It can be had again: the firmware was there as long as the recovery needed it.
    machine.running("y");
}

#[test]
fn a_kill_with_kill_keeps_the_dump_that_waits() {
    let Some(machine) = Machine::that_dumps() else { return };
    let resident = dumping(&machine, "x", &INLINE);
    resident.signal("STOP");
    machine.crash(0);
    eventually("it waits", || machine.dumps().len() == 1);
    machine.run(&["kill", "x", "KILL"]).ok();
    assert_eq!((resident.ends(), machine.processor().as_str()), (137, "offline"));
    assert_kept(&machine, "x");
    assert_eq!(machine.attribute(0, "coredump"), "disabled");
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

#[test]
fn a_kill_that_comes_while_the_dump_waits_to_be_read_stops_the_processor() {
    for wish in [ENABLED, INLINE] {
        let Some(machine) = Machine::that_dumps() else { return };
        let resident = dumping(&machine, "x", &wish);
        resident.signal("STOP");
        machine.crash(0);
        eventually("it waits", || machine.dumps().len() == 1);
        resident.signal("TERM");
        resident.signal("CONT");
        assert_eq!((resident.ends(), machine.processor().as_str()), (0, "offline"));
        assert_kept(&machine, "x");
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn kills_and_crashes_at_the_same_time_leave_a_stopped_processor() {
    for wish in [ENABLED, INLINE] {
        let Some(machine) = Machine::that_dumps() else { return };
        for delay in [0, 1, 3, 10] {
            let resident = dumping(&machine, "x", &wish);
            std::thread::scope(|scope| {
                let kill = scope.spawn(|| machine.run(&["kill", "x"]));
                std::thread::sleep(Duration::from_millis(delay));
                // Already gone, perhaps.
                let _ = machine.try_write("sys/kernel/debug/remoteproc/remoteproc0/crash", "1");
                kill.join().unwrap().ok();
            });
            resident.ends();
            machine.run(&["delete", "x"]).ok();
            machine.assert_clean();
            eventually("no dump is left", || machine.dumps().is_empty());
        }
    }
}

#[test]
fn a_firmware_that_crashes_at_once_is_dumped() {
    let machine = Machine::simulated(simulated_board::BoardSpec::stm32mp15());
    machine.fault(0, "start-delay-ms", "300");
    machine.fault(0, "recovery-delay-ms", "200");
    let bundle = machine.bundle("x", "m4");
    bundle.edit(|config| config["annotations"]["remoteproc.coredump"] = json!("inline"));
    let resident = machine.resident_of("x", &bundle);
    std::thread::scope(|scope| {
        let start = scope.spawn(|| machine.run(&["start", "x"]));
        eventually("the driver starts it", || machine.kernel_log().contains("Booting fw image"));
        // Handled as soon as the driver has started it.
        machine.crash(0);
        start.join().unwrap().ok();
    });
    eventually("it is kept", || resident.said().contains("dumped after a crash"));
    eventually("it runs", || machine.processor() == "running");
    assert_eq!(machine.status("x"), "running");
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn a_dump_is_cut_at_64_mib_and_the_recovery_has_its_time_after_it() {
    let machine = Machine::simulated(simulated_board::BoardSpec::stm32mp15());
    machine.fault(0, "dump-size", &(70 << 20).to_string());
    let resident = dumping(&machine, "x", &INLINE);
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    let length = std::fs::metadata(coredump(&machine, "x")).unwrap().len();
    let free = rustix::fs::statvfs(machine.state_root()).unwrap();
    if free.f_bavail * free.f_frsize > 256 << 20 {
        assert_eq!(length, 64 << 20);
    }
    assert!(resident.said().contains(&format!("{length} bytes, cut there")), "{}", resident.said());
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn a_recovery_that_waited_for_its_dump_has_its_5_s_after_it() {
    let machine = Machine::simulated(simulated_board::BoardSpec::stm32mp15());
    // Four seconds before the dump, four after.
    machine.fault(0, "recovery-delay-ms", "8000");
    let resident = dumping(&machine, "x", &INLINE);
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    assert_kept(&machine, "x");
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn a_state_directory_without_room_loses_the_dump_and_nothing_else() {
    if skipped_without_root("a small file system") {
        return;
    }
    let Some(machine) = Machine::that_dumps() else { return };
    std::fs::create_dir(machine.state_root()).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "mode=700,size=64k", "small"]).arg(machine.state_root());
    assert!(mount.status().unwrap().success());
    let _mounted = Mounted(machine.state_root());
    let resident = dumping(&machine, "x", &INLINE);
    assert!(std::fs::write(machine.state_root().join("filler"), vec![0; 1 << 20]).is_err());
    machine.crash(0);
    resident.await_words("its dump after a crash was not saved: ENOSPC");
    resident.await_words("recovered by the kernel");
    let names = names_in(&machine.state_root().join("x"));
    assert!(!names.iter().any(|name| name.starts_with("coredump")), "{names:?}");
    eventually("the kernel's is freed", || machine.dumps().is_empty());
    machine.run(&["delete", "--force", "x"]).ok();
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_kernel_that_keeps_no_dumps_is_said_and_runs_the_firmware() {
    let machine = Machine::simulated(simulated_board::BoardSpec::stm32mp15());
    machine.write("sys/class/devcoredump/disabled", "1");
    let resident = dumping(&machine, "x", &INLINE);
    machine.crash(0);
    resident.await_words("recovered by the kernel");
    assert_eq!(told(&machine, "x"), None);
    machine.run(&["kill", "x"]).ok();
}

#[test]
fn two_processors_keep_their_dumps_apart() {
    let machine = Machine::simulated(processors(&["m4", "other"]));
    let bundles = ["m4", "other"].map(|name| {
        let bundle = machine.bundle(name, name);
        bundle.edit(|config| config["annotations"]["remoteproc.coredump"] = json!("enabled"));
        bundle
    });
    let residents = [("m4", 0), ("other", 1)].map(|(id, index)| {
        let resident = machine.resident_of(id, &bundles[index]);
        machine.run(&["start", id]).ok();
        resident
    });
    machine.crash(1);
    residents[1].await_words("recovered by the kernel");
    std::thread::sleep(A_WHILE);
    assert_eq!((told(&machine, "m4"), told(&machine, "other").is_some()), (None, true));
    assert_eq!(residents[0].said().lines().count(), 1);
    for id in ["m4", "other"] {
        machine.run(&["kill", id]).ok();
    }
}

#[test]
fn dumps_do_not_make_a_proxy_grow() {
    let Some(machine) = Machine::that_dumps() else { return };
    let resident = dumping(&machine, "x", &INLINE);
    let mut told = 0;
    let mut round = || {
        machine.crash(0);
        told += 1;
        eventually("it is recovered", || resident.said().matches("recovered by the kernel").count() == told);
    };
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
