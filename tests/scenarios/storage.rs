//! The firmware and the state directory when they are full, read-only or missing; what killed creates and earlier boots
//! leave.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use simulated_board::{BoardSpec, FirmwareBuilder};

use crate::harness::{
    BLINK, Machine, Tmpfs, blink, copy_binary, eventually, skipped_without_root, wait_for_end,
};

/// Create fails with `words`; apart from what was there before, nothing is left.
#[track_caller]
fn refused_without_trace(machine: &Machine, words: &[&str]) {
    let before = (machine.state_entries(), machine.stored_firmware());
    machine.create("x", &machine.bundle("x", "m4")).refused(&[&["container x: "], words].concat());
    assert_eq!((machine.state_entries(), machine.stored_firmware()), before);
    assert_eq!(machine.processes(), Vec::<i32>::new());
}

fn boot_mark(machine: &Machine) -> String {
    std::fs::read_to_string(machine.path("proc/sys/kernel/random/boot_id")).unwrap()[..8].to_owned()
}

#[test]
fn a_full_firmware_directory_is_named_and_left_without_a_partial_file() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let directory = machine.firmware_directory().to_str().unwrap().to_owned();
    let words = ["firmware: ", directory.as_str(), "(ENOSPC)", "hint: free some space"];
    let tmpfs = Tmpfs::for_firmware(&machine, "size=16k,nr_inodes=16");
    let filler = tmpfs.fill();
    refused_without_trace(&machine, &words);
    std::fs::remove_file(filler).unwrap();
    machine.create("x", &machine.bundle("x", "m4")).ok();
    machine.run(&["delete", "--force", "x"]).ok();
    // No room for one more name, instead of none for the content.
    tmpfs.remount("nr_inodes=1");
    refused_without_trace(&machine, &words);
}

#[test]
fn a_firmware_directory_that_fills_up_in_the_middle_of_the_copy_is_left_without_a_partial_file() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let mut firmware = blink();
    firmware.resize(1 << 20, 0);
    let bundle = machine.bundle_of("x", "m4", &firmware);
    for kib in [4, 64, 512, 1020] {
        let _tmpfs = Tmpfs::for_firmware(&machine, &format!("size={kib}k"));
        machine.create_is_refused(
            &bundle,
            &["lib/firmware: cannot store a firmware", "(ENOSPC)", "free some space"],
        );
    }
    let _tmpfs = Tmpfs::for_firmware(&machine, "size=1024k");
    machine.create("x", &bundle).ok();
}

#[test]
fn a_read_only_firmware_directory_is_named_with_what_to_do() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let tmpfs = Tmpfs::for_firmware(&machine, "ro");
    let directory = machine.firmware_directory().to_str().unwrap().to_owned();
    let hint =
        "hint: make it writable, or name a writable directory in /sys/module/firmware_class/parameters/path";
    refused_without_trace(&machine, &[&directory, "Read-only file system (EROFS)", hint]);
    tmpfs.remount("rw");
    machine.create("x", &machine.bundle("x", "m4")).ok();
}

#[test]
fn a_firmware_directory_that_is_missing_is_named_with_what_to_do() {
    let machine = Machine::stm32mp15();
    let directory = machine.firmware_directory();
    std::fs::remove_dir(&directory).unwrap();
    let words = [
        "lib/firmware: cannot store a firmware in this directory: ",
        "(ENOENT)",
        "hint: make this directory",
    ];
    refused_without_trace(&machine, &words);
    std::fs::write(&directory, "a file").unwrap();
    machine.create("x", &machine.bundle("x", "m4")).refused(&["lib/firmware: ", "(ENOTDIR)", "hint: "]);
    std::fs::remove_file(&directory).unwrap();
    std::fs::create_dir(&directory).unwrap();
    machine.write("sys/module/firmware_class/parameters/path", "/var/none");
    refused_without_trace(
        &machine,
        &["var/none: cannot store a firmware", "(ENOENT)", "hint: make this directory"],
    );
}

#[test]
fn a_firmware_directory_without_rights_is_named_with_what_to_do() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    // The other user reaches the board, the bundle and a copy of the binary, and has a state directory of his own.
    let (binary, state) = (machine.scratch().join("binary"), machine.scratch().join("others-state"));
    copy_binary(&binary);
    std::fs::set_permissions(machine.scratch(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65534), Some(65534)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&binary);
    command.arg("--root").arg(&state).arg("--host-root").arg(machine.host_root());
    command.args(["create", "--bundle", bundle.path.to_str().unwrap(), "x"]);
    let outcome = crate::harness::Outcome::of(command, machine.scratch());
    outcome.refused(&["lib/firmware: ", "(EACCES)", "hint: run as root, or as a user that may write there"]);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
    machine.assert_no_trace();
}

#[test]
fn a_read_only_state_directory_is_named() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let tmpfs = Tmpfs::for_state(&machine, "ro");
    let path = machine.state_root().join("x").to_str().unwrap().to_owned();
    refused_without_trace(&machine, &[&path, "(EROFS)", "hint: ", "read-only file system"]);
    // A state directory that would have to be made there.
    let deeper = machine.state_root().join("deeper");
    let (root, bundle) = (deeper.to_str().unwrap(), machine.bundle("x", "m4"));
    machine.run(&["--root", root, "create", "--bundle", bundle.path.to_str().unwrap(), "x"]).refused(&[
        "cannot make the state directory",
        root,
        "(EROFS)",
    ]);
    tmpfs.remount("rw");
    machine.created("x");
}

#[test]
fn a_state_directory_without_room_for_names_fails_at_every_step_without_a_trace() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let state = machine.state_root().to_str().unwrap().to_owned();
    let bundle = machine.bundle("x", "m4");
    // The container's directory, the link to the firmware, two FIFOs, the record: each is refused once.
    let failures = (1..20).take_while(|inodes| {
        let _tmpfs = Tmpfs::for_state(&machine, &format!("nr_inodes={inodes}"));
        let outcome = machine.create("x", &bundle);
        let failed = outcome.code != 0;
        if failed {
            outcome.refused(&["container x: ", &state, "(ENOSPC)", "hint: free some space"]);
            machine.assert_no_trace();
        } else {
            machine.run(&["delete", "--force", "x"]).ok();
        }
        failed
    });
    assert_eq!(failures.count(), 5);
}

#[test]
fn a_full_state_directory_undoes_a_create_whose_record_does_not_fit() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let tmpfs = Tmpfs::for_state(&machine, "size=16k");
    let filler = tmpfs.fill();
    refused_without_trace(&machine, &["x/record.json: ", "(ENOSPC)", "hint: free some space"]);
    std::fs::remove_file(filler).unwrap();
    machine.created("x");
}

#[test]
fn a_container_goes_its_way_on_a_file_system_that_has_filled_up() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let tmpfs = Tmpfs::for_state(&machine, "size=64k");
    machine.created("x");
    let filler = tmpfs.fill();
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.status("x"), "running");
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    std::fs::remove_file(filler).unwrap();
    machine.assert_clean();
}

#[test]
fn a_delete_on_a_read_only_file_system_says_so_and_a_later_one_finishes() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let (state, firmware) = (Tmpfs::for_state(&machine, "size=1m"), Tmpfs::for_firmware(&machine, "size=1m"));
    machine.running("x");
    for (tmpfs, path) in [(&firmware, "lib/firmware/"), (&state, "state/x")] {
        tmpfs.remount("ro");
        for verb in [&["delete", "--force", "x"][..], &["delete", "x"]] {
            machine.run(verb).refused(&["container x: cannot remove ", path, "(EROFS)"]);
            assert_eq!((machine.processor().as_str(), machine.status("x").as_str()), ("offline", "stopped"));
        }
        tmpfs.remount("rw");
    }
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

/// Whether any process was given this machine's root, a create just forked included.
fn is_anyone_at_work(machine: &Machine) -> bool {
    let root = machine.host_root().to_str().unwrap().to_owned();
    std::fs::read_dir("/proc").unwrap().any(|entry| {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        line.split(|b| *b == 0).any(|arg| arg == root.as_bytes())
    })
}

#[test]
fn an_id_whose_create_was_killed_at_any_moment_can_be_created_again() {
    const STEPS: u32 = 80;
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("x", "m4");
    let args = ["create", "--bundle", bundle.path.to_str().unwrap(), "x"];
    let begin = Instant::now();
    machine.run(&args).ok();
    let whole = begin.elapsed().clamp(Duration::from_millis(2), Duration::from_millis(200));
    machine.run(&["delete", "--force", "x"]).ok();
    let (mut unfinished, mut remains) = (0, 0);
    for step in 0..STEPS {
        let mut create = machine.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Not an event to wait for: the moment of the kill is what is varied.
        std::thread::sleep(whole * step / STEPS);
        create.kill().unwrap();
        let code = create.wait().unwrap().code();
        // A proxy that is not yet executed still holds the create's lock: then it is creating for a moment longer.
        eventually("the create is over", || !machine.run(&["state", "x"]).stdout.contains("creating"));
        let state = machine.run(&["state", "x"]);
        if state.code == 0 {
            // It was done but for its answer, or altogether: then the container is whole.
            machine.run(&["start", "x"]).ok();
        } else {
            unfinished += 1;
            assert_eq!(code, None, "it said that it was done");
            state.refused(&["container x", "does not exist"]);
            eventually("the half made proxy has ended", || !is_anyone_at_work(&machine));
            remains += u32::from(!machine.state_entries().is_empty());
            machine.create("x", &bundle).ok();
        }
        assert_eq!(machine.stored_firmware().len(), 1, "step {step}: {:?}", machine.stored_firmware());
        machine.run(&["delete", "--force", "x"]).ok();
        machine.assert_clean();
        eventually("no process is left", || machine.processes().is_empty());
    }
    assert!(unfinished > 0 && remains > 0, "{unfinished} unfinished, {remains} with remains of {STEPS}");
}

/// What a create leaves that was killed at one of its steps; the firmware file it was about to store.
fn remains(machine: &Machine, step: usize) -> PathBuf {
    let container = machine.state_root().join("x");
    std::fs::create_dir_all(&container).unwrap();
    let name = format!("fw.elf-20261123T221500Z-{}00c0ffee", boot_mark(machine));
    let stored = machine.firmware_directory().join(&name);
    let mkfifo = |name: &str| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            container.join(name),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
    };
    let steps: [&dyn Fn(); 6] = [
        &|| symlink(&stored, container.join("firmware")).unwrap(),
        &|| std::fs::write(stored.with_file_name(format!("{name}.part")), &BLINK[..100]).unwrap(),
        &|| std::fs::rename(stored.with_file_name(format!("{name}.part")), &stored).unwrap(),
        &|| mkfifo("start"),
        &|| mkfifo("kill"),
        &|| std::fs::write(container.join("record.json.part"), "{\"version\":1").unwrap(),
    ];
    steps.iter().take(step).for_each(|step| step());
    stored
}

#[test]
fn the_remains_of_a_killed_create_are_cleared_by_the_next_create() {
    for step in 0..=6 {
        let machine = Machine::stm32mp15();
        let stored = remains(&machine, step);
        machine.run(&["state", "x"]).refused(&["container x", "does not exist"]);
        machine.run(&["delete", "x"]).refused(&["container x", "does not exist"]);
        machine.running("x");
        assert_eq!(machine.stored_firmware().len(), 1);
        assert!(!stored.exists());
        machine.run(&["kill", "x"]).ok();
        machine.run(&["delete", "x"]).ok();
        machine.assert_clean();
    }
}

#[test]
fn the_remains_of_a_killed_create_are_cleared_by_a_forced_delete() {
    for step in 0..=6 {
        let machine = Machine::stm32mp15();
        remains(&machine, step);
        let outcome = machine.run(&["delete", "--force", "x"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        machine.assert_clean();
    }
}

#[test]
fn remains_that_name_a_foreign_file_do_not_cost_that_file() {
    let machine = Machine::stm32mp15();
    let precious = machine.firmware_directory().join("vendor.bin");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::create_dir_all(machine.state_root().join("x")).unwrap();
    symlink(&precious, machine.state_root().join("x/firmware")).unwrap();
    machine.run(&["delete", "--force", "x"]).ok();
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}

/// The machine boots again: its processes end, its tmpfs is empty, its flash is not.
fn reboot(machine: &Machine) {
    for pid in machine.processes() {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        wait_for_end(pid);
    }
    std::fs::remove_dir_all(machine.state_root()).unwrap();
    machine.write("board/reboot", "1");
}

#[test]
fn what_earlier_boots_left_does_not_pile_up() {
    let machine = Machine::stm32mp15();
    for boot in 0..4 {
        for id in ["a", "b"] {
            machine.created(id);
        }
        machine.run(&["start", "a"]).ok();
        let names = machine.stored_firmware();
        assert_eq!(names.len(), 2, "boot {boot}: {names:?}");
        assert!(names.iter().all(|name| name.contains(&boot_mark(&machine))));
        reboot(&machine);
        assert_eq!(machine.stored_firmware(), names, "nobody has removed them yet");
    }
}

#[test]
fn what_another_boot_left_makes_room_on_a_full_firmware_directory() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::stm32mp15();
    let tmpfs = Tmpfs::for_firmware(&machine, "size=64k");
    let filler = tmpfs.fill();
    std::fs::rename(filler, machine.firmware_directory().join("fw.elf-20250101T000000Z-0000000000000000"))
        .unwrap();
    machine.created("x");
    assert_eq!(machine.stored_firmware().len(), 1);
}

#[test]
fn files_of_another_boot_that_a_processor_may_be_running_stay() {
    let machine = Machine::simulated(BoardSpec::am64x());
    let firmware = FirmwareBuilder::new().segment(0, b"code").resource_table().build();
    let names = ["a-20250101T000000Z-0000000000000000", "b-20250101T000000Z-0000000000000000"];
    for (number, name) in [(0, names[0]), (4, names[1])] {
        std::fs::write(machine.firmware_directory().join(name), "firmware").unwrap();
        machine.set(number, "firmware", name);
    }
    let create = || {
        machine.create("x", &machine.bundle_of("x", "78200000.r5f", &firmware)).ok();
        machine.run(&["delete", "--force", "x"]).ok();
    };
    for state in ["running", "crashed", "suspended"] {
        machine.fault(0, "state", state);
        machine.fault(4, "state", state);
        create();
        assert_eq!(machine.stored_firmware(), names, "{state}");
    }
    machine.fault(0, "state", "offline");
    create();
    assert_eq!(machine.stored_firmware(), [names[1]]);
    machine.fault(4, "state", "offline");
    create();
    assert_eq!(machine.stored_firmware(), Vec::<String>::new());
}

#[test]
fn files_that_are_not_exactly_of_our_pattern_or_of_this_boot_stay() {
    let machine = Machine::stm32mp15();
    let this_boot = format!("fw-20250101T000000Z-{}00000000", boot_mark(&machine));
    let mut foreign = vec![
        "vendor.bin",
        "-20250101T000000Z-0000000000000000",
        "fw-20250101T000000Z-00000000000000000",
        "fw-20250101T000000Z-000000000000000",
        "fw-20250101T000000Z-00000000000000AB",
        "fw-20250101T000000Z-000000000000000g",
        "fw-20250101T000000-0000000000000000",
        "fw-2025-01-01T000000Z-0000000000000000",
        "fw_20250101T000000Z_0000000000000000",
        "fw-20250101T000000Z-0000000000000000.bin",
        "fw-20250101T000000Z-0000000000000000.part.part",
        "fw-20250101T000000Z-0000000000000000.part~",
        &this_boot,
    ];
    let directory = machine.firmware_directory();
    for name in &foreign {
        std::fs::write(directory.join(name), "foreign").unwrap();
    }
    std::fs::create_dir(directory.join("sub-20250101T000000Z-0000000000000000")).unwrap();
    let litter = ["fw-20250101T000000Z-0000000000000000", "a.part-20250101T000000Z-0000000000000000.part"];
    for name in litter {
        std::fs::write(directory.join(name), "litter").unwrap();
    }
    machine.created("x");
    machine.run(&["delete", "--force", "x"]).ok();
    foreign.push("sub-20250101T000000Z-0000000000000000");
    foreign.sort_unstable();
    assert_eq!(machine.stored_firmware(), foreign);
}

#[test]
fn a_link_that_looks_like_litter_does_not_cost_its_target() {
    let machine = Machine::stm32mp15();
    let precious = machine.scratch().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    symlink(&precious, machine.firmware_directory().join("fw-20250101T000000Z-0000000000000000")).unwrap();
    machine.created("x");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}
