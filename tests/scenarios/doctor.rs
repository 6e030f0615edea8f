//! doctor: each thing that can be wrong is found, and gone after the command that its line gives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use simulated_board::{BoardSpec, ProcessorSpec};

use crate::harness::{
    BLINK, Holder, Machine, Outcome, Tmpfs, binary, early_states, eventually, names_in, skipped_without_root,
    wait_for_end,
};

/// Something that the doctor found.
#[derive(Clone, Debug)]
struct Found {
    level: String,
    text: String,
    fix: String,
}

/// Everything that the doctor finds, asked with `args`.
fn examine(machine: &Machine, args: &[&str]) -> Vec<Found> {
    let args = [&["doctor", "--format", "json"], args].concat();
    let outcome = machine.run(&args);
    assert_eq!(outcome.stderr, "");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings: Vec<Found> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| Found {
            level: word(finding, "level"),
            text: format!("{}: {}", word(finding, "about"), word(finding, "text")),
            fix: word(finding, "fix"),
        })
        .collect();
    let can_run = findings.iter().all(|found| found.level != "error");
    assert_eq!((outcome.code == 0, &report["canRun"]), (can_run, &Value::Bool(can_run)), "{findings:#?}");
    findings
}

fn find(machine: &Machine, words: &str) -> Option<Found> {
    examine(machine, &[]).into_iter().find(|found| found.text.contains(words))
}

/// The one finding that has `words`, which is of this level.
#[track_caller]
fn found(machine: &Machine, level: &str, words: &str) -> Found {
    let all = examine(machine, &[]);
    let with: Vec<&Found> = all.iter().filter(|found| found.text.contains(words)).collect();
    let [found] = with[..] else { panic!("{words:?} is {} times in {all:#?}", with.len()) };
    assert_eq!(found.level, level, "{found:?}");
    found.clone()
}

#[track_caller]
fn not_found(machine: &Machine, words: &str) {
    let found = find(machine, words);
    assert!(found.is_none(), "{found:?}");
}

/// The finding is there, and no more after its fix was written to a shell.
#[track_caller]
fn mended_by_its_command(machine: &Machine, level: &str, words: &str) {
    let fix = found(machine, level, words).fix;
    shell(machine, &fix);
    not_found(machine, words);
}

/// Has a shell carry out a line in which the binary goes by its name.
#[track_caller]
fn shell(machine: &Machine, line: &str) {
    let programs = machine.scratch().join("programs");
    if !programs.exists() {
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(binary(), programs.join("remoteproc-runtime")).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).env("PATH", path);
    let outcome = Outcome::of(command, machine.scratch());
    assert_eq!(outcome.code, 0, "{line}: {}{}", outcome.stdout, outcome.stderr);
}

/// The file behind one that the machine shows by a link into its backing directory.
fn behind(machine: &Machine, path: &str) -> PathBuf {
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    std::fs::read_link(machine.path(top)).unwrap().join(rest)
}

fn profile(machine: &Machine, text: &str) {
    let folder = behind(machine, "etc/remoteproc-runtime/boards");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.toml"), text).unwrap();
}

const MINE: &str = "name = \"mine\"\ndescription = \"Mine\"\ncompatible = [\"test,several\"]\n";

#[test]
fn a_healthy_board_is_well_from_head_to_toe() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let outcome = machine.run(&["doctor"]);
    let shown = outcome.stdout.replace(machine.host_root().to_str().unwrap(), "HOST");
    let shown = shown.replace(machine.state_root().to_str().unwrap(), "STATE");
    assert_eq!(
        shown,
        "ok       kernel: HOST/sys/class/remoteproc lists m4\n\
         ok       rights: m4 can be controlled\n\
         ok       board: profile stm32mp15 (ST STM32MP151, STM32MP153, STM32MP157), built in\n\
         ok       firmware: HOST/lib/firmware can be written\n\
         ok       leftovers: HOST/lib/firmware has no firmware of ours without a container\n\
         ok       state: STATE can be written\n\
         ok       container: none is without its proxy\n\
         ok       log: HOST/dev/kmsg can be read\n\
         ok       traces: debugfs is mounted on HOST/sys/kernel/debug\n\
         ok       locks: /proc/locks tells who has a processor\n"
    );
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn containers_that_are_as_they_should_be_are_no_finding() {
    let machine = Machine::stm32mp15();
    let before = examine(&machine, &[]).len();
    machine.running("x");
    machine.created("y");
    let all = examine(&machine, &[]);
    assert_eq!(all.len(), before, "{all:#?}");
    assert!(all.iter().all(|found| !matches!(found.level.as_str(), "warning" | "error")), "{all:#?}");
}

#[test]
fn a_line_has_its_fix_behind_it_and_control_characters_escaped() {
    let machine = Machine::simulated(BoardSpec::new("Odd", &["st,odd\x1b[2J\n"]));
    let outcome = machine.run(&["doctor"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("error    kernel: ") && lines[0].ends_with("; fix: modprobe stm32_rproc"));
    assert!(lines.iter().any(|line| line.contains("st,odd\\u{1b}[2J\\n")), "{lines:#?}");
    assert_eq!(outcome.code, 1);
}

#[test]
fn a_kernel_without_remoteproc_is_told_from_one_whose_driver_has_no_processor() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    machine.unbind(0);
    let unbound = found(&machine, "error", "kernel: ");
    assert!(
        unbound.text.contains("is empty: ") && unbound.text.contains("CONFIG_STM32_RPROC"),
        "{unbound:?}"
    );
    assert_eq!(unbound.fix, "modprobe stm32_rproc");
    machine.fault(0, "plug", "in");
    found(&machine, "ok", "kernel: ");

    let bare = machine.scratch().join("bare");
    std::fs::create_dir_all(bare.join("lib/firmware")).unwrap();
    let outcome = machine.run(&["--host-root", bare.to_str().unwrap(), "doctor"]);
    assert_eq!(outcome.code, 1);
    let words = "sys/class/remoteproc is missing: the kernel needs CONFIG_REMOTEPROC and the driver of this";
    assert!(outcome.stdout.lines().next().unwrap().contains(words), "{}", outcome.stdout);
}

/// A tree that looks like a machine's, with one processor.
fn tree(directory: &Path, state: &[u8], boot_id: &str) -> PathBuf {
    let root = directory.join("tree");
    let processor = root.join("sys/class/remoteproc/remoteproc0");
    for folder in [&processor, &root.join("lib/firmware"), &root.join("proc/sys/kernel/random")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (attribute, value) in [("name", &b"m4\n"[..]), ("state", state), ("firmware", b"odd\x1b[2J\n")] {
        std::fs::write(processor.join(attribute), value).unwrap();
    }
    std::fs::write(root.join("proc/sys/kernel/random/boot_id"), boot_id).unwrap();
    root
}

#[test]
fn what_an_old_kernel_lacks_and_what_cannot_be_read_is_said() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let root = tree(machine.scratch(), b"\xff\n", "no boot id");
    let outcome = machine.run(&["--host-root", root.to_str().unwrap(), "doctor"]);
    for words in [
        "warning  processor: m4: ",
        "remoteproc0/state cannot be read\n",
        "note     processor: m4: no recovery in sysfs: ",
        "note     board: no profile (there is no device tree to find one by): ",
        "lib/firmware belongs to nobody cannot be told: the boot id",
        "debug is missing: the kernel needs CONFIG_DEBUG_FS for traces of firmware\n",
        "dev/kmsg: No such file or directory (ENOENT): crashes",
    ] {
        assert!(outcome.stdout.contains(words), "{words}: {}", outcome.stdout);
    }
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    tree(machine.scratch(), b"running\n", "no boot id");
    let outcome = machine.run(&["--host-root", root.to_str().unwrap(), "doctor"]);
    assert!(
        outcome.stdout.contains(r#"running with firmware "odd\u{1b}[2J", which no"#),
        "{}",
        outcome.stdout
    );
}

#[test]
fn attributes_that_the_driver_keeps_read_only_are_called_so() {
    let machine = Machine::with_two_processors();
    let set_mode = |processor: &str, mode: u32| {
        let path = machine.path(&format!("sys/class/remoteproc/{processor}/state"));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let all = names_in(&machine.path("sys/class/remoteproc"));
    set_mode("remoteproc0", 0o444);
    found(&machine, "warning", "m4: ");
    let controlled = found(&machine, "ok", " can be controlled").text;
    assert!(controlled.contains("other") && !controlled.contains("m4"), "{controlled}");
    all.iter().for_each(|processor| set_mode(processor, 0o444));
    let words =
        "remoteproc1/state is read-only: its driver keeps user space from controlling it (sysfs_read_only";
    found(&machine, "error", words);
    set_mode("remoteproc0", 0o644);
    found(&machine, "warning", words);
    all.iter().for_each(|processor| set_mode(processor, 0o644));
    not_found(&machine, "read-only");
}

#[test]
fn a_user_without_rights_is_told_what_he_lacks() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let outcome = machine.run_as_nobody(&["doctor"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    for words in [
        "error    state: no state directory: set XDG_RUNTIME_DIR, or give one with --root; fix: export XDG_RUNTIME_DIR=/run/user/65534",
        "(EACCES); fix: run as root, or as a user that may write there",
    ] {
        assert!(outcome.stdout.contains(words), "{words}: {}", outcome.stdout);
    }
    let fixing = machine.run_as_nobody(&["doctor", "--fix"]);
    assert_eq!((fixing.code, fixing.stdout), (1, outcome.stdout), "nothing to mend with his rights");
}

#[test]
fn a_firmware_directory_that_is_missing_or_a_file_is_made() {
    let machine = Machine::stm32mp15();
    let directory = machine.firmware_directory();
    std::fs::remove_dir(&directory).unwrap();
    mended_by_its_command(
        &machine,
        "error",
        "lib/firmware: no firmware can be stored there for the kernel: No such",
    );
    std::fs::remove_dir(&directory).unwrap();
    std::fs::write(&directory, "a file").unwrap();
    mended_by_its_command(&machine, "error", "(ENOTDIR)");
    machine.created("x");
    machine.run(&["delete", "--force", "x"]).ok();
    std::fs::remove_file(directory.with_extension("away")).unwrap();
}

#[test]
fn on_a_read_only_root_the_kernel_is_told_to_look_on_a_tmpfs_for_this_boot() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let parameter = machine.path("sys/module/firmware_class/parameters/path");
    let run = behind(&machine, "run");
    let _tmpfs = Tmpfs::for_firmware(&machine, "ro");

    // Where nothing can be written at all, it is not changed.
    let read_only = Tmpfs::mount(&run, "ro");
    let fix = found(&machine, "error", "/run/firmware cannot stand in for it").fix;
    assert!(fix.starts_with("firmware_class.path=DIRECTORY on the kernel's command line"), "{fix}");
    read_only.remount("rw");
    // What others put there would come before what drivers have got so far.
    std::fs::create_dir(run.join("firmware")).unwrap();
    std::fs::write(run.join("firmware/wifi.bin"), "theirs").unwrap();
    found(&machine, "error", "is there, and not empty");
    std::fs::remove_file(run.join("firmware/wifi.bin")).unwrap();
    std::fs::set_permissions(run.join("firmware"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    found(&machine, "error", "not the caller's alone");
    examine(&machine, &["--fix"]);
    std::fs::remove_dir(run.join("firmware")).unwrap();
    std::os::unix::fs::symlink("/tmp", run.join("firmware")).unwrap();
    found(&machine, "error", "/run/firmware cannot stand in for it");
    std::fs::remove_file(run.join("firmware")).unwrap();
    assert_eq!(std::fs::read_to_string(&parameter).unwrap(), "\n");

    mended_by_its_command(&machine, "error", "(EROFS)");
    assert_eq!(
        std::fs::read_to_string(&parameter).unwrap(),
        "/run/firmware\n",
        "without a newline of its own"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(run.join("firmware")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o755);
    found(&machine, "ok", "/run/firmware can be written");
    machine.running("x");
    assert_eq!(names_in(&run.join("firmware")).len(), 1);
    // Again, there is nothing left to mend.
    assert!(examine(&machine, &["--fix"]).iter().all(|found| found.level != "fixed"));
}

#[test]
fn what_was_fixed_is_said_before_what_is_left() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let _tmpfs = Tmpfs::for_firmware(&machine, "ro");
    let outcome = machine.run(&["doctor", "--fix"]);
    let shown = outcome.stdout.replace(machine.host_root().to_str().unwrap(), "HOST");
    let first = shown.lines().next().unwrap();
    assert_eq!(
        first,
        "fixed    firmware: wrote /run/firmware to HOST/sys/module/firmware_class/parameters/path: until the next boot \
         the kernel looks there first, and then where it did; for good: firmware_class.path=/var/lib/firmware on its \
         command line, or another directory that can be written"
    );
    assert!(shown.contains("\nok       firmware: HOST/run/firmware can be written\n"), "{shown}");
    assert_eq!(outcome.code, 0);
}

#[test]
fn firmware_that_the_kernel_has_got_so_far_is_found_after_the_move() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let tmpfs = Tmpfs::for_firmware(&machine, "size=1m");
    std::fs::write(machine.firmware_directory().join("rproc-m4-fw"), BLINK).unwrap();
    tmpfs.remount("ro");
    machine.set(0, "state", "start");
    assert!(examine(&machine, &["--fix"]).iter().any(|found| found.level == "fixed"));
    // A recovery reads it again; the state says running before as well as after it.
    machine.crash(0);
    eventually("it has recovered", || machine.kernel_log().matches("is now up").count() == 2);
    machine.set(0, "state", "stop");
    machine.set(0, "state", "start");
    assert_eq!(machine.processor(), "running");
}

#[test]
fn a_directory_that_somebody_chose_is_not_replaced() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let chosen = behind(&machine, "var/firmware");
    let tmpfs = Tmpfs::mount(&chosen, "ro");
    machine.write("sys/module/firmware_class/parameters/path", "/var/firmware");
    found(&machine, "error", "parameters/path names a directory");
    examine(&machine, &["--fix"]);
    assert_eq!(machine.path("sys/module/firmware_class/parameters/path").metadata().unwrap().len(), 4096);
    found(&machine, "error", "var/firmware: no firmware can be stored there");
    tmpfs.remount("rw");
    not_found(&machine, "parameters/path names a directory");
}

#[test]
fn a_newline_in_the_kernels_path_is_taken_out_by_hand_or_by_the_doctor() {
    let parameter = "sys/module/firmware_class/parameters/path";
    let mut played = 0;
    for (keeps, level) in [(true, "error"), (false, "note")] {
        let Some(machine) = Machine::that_keeps_newlines(keeps) else { continue };
        played += 1;
        if !keeps && machine.path("board").exists() {
            // The simulated kernel's release decides.
            continue;
        }
        let directory = machine.firmware_directory();
        machine.write(parameter, &format!("{}\n", directory_in_machine(&machine, &directory)));
        mended_by_its_command(&machine, level, "ends with a newline");
        machine.write(parameter, &format!("{}\n", directory_in_machine(&machine, &directory)));
        let all = examine(&machine, &["--fix"]);
        assert!(all[0].level == "fixed" && all[0].text.contains("took the newline from"), "{all:#?}");
        not_found(&machine, "newline");
        machine.running("x");
    }
    assert!(played > 0);
}

/// A path as the machine's kernel takes it.
fn directory_in_machine(machine: &Machine, path: &Path) -> String {
    format!("/{}", path.strip_prefix(machine.host_root()).unwrap().display())
}

#[test]
fn a_newline_that_the_kernel_drops_is_worth_a_note() {
    let machine = Machine::simulated(BoardSpec::stm32mp15().osrelease("6.12.0").path_keeps_newline(false));
    machine.write("sys/module/firmware_class/parameters/path", "/lib/firmware\n");
    mended_by_its_command(&machine, "note", "ends with a newline");
}

#[test]
fn the_kernels_log_is_missed_where_it_cannot_be_read() {
    let machine = Machine::stm32mp15();
    machine.set_log("off");
    let missing = found(&machine, "warning", "log: ");
    assert!(missing.text.contains("(ENOENT)") && missing.fix.starts_with("mknod -m 600 "), "{missing:?}");
    if machine.path("board").exists() {
        machine.set_log("denied");
        let denied = found(&machine, "warning", "log: ");
        assert!(denied.text.contains("(EPERM)") && denied.fix.contains("dmesg_restrict"), "{denied:?}");
        machine.set_log("on");
    } else {
        shell(&machine, &missing.fix);
    }
    found(&machine, "ok", "log: ");
}

#[test]
fn debugfs_is_missed_where_it_is_not_mounted() {
    if skipped_without_root("mounting") {
        return;
    }
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let debug = machine.path("sys/kernel/debug");
    let _tmpfs = Tmpfs::mount(&debug, "size=16k");
    let _debugfs = MountedOver(&debug);
    mended_by_its_command(&machine, "warning", "debugfs is not mounted");
}

/// What a command has mounted on a directory, unmounted at the end.
struct MountedOver<'a>(&'a Path);

impl Drop for MountedOver<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn another_mount_namespace_than_the_kernels_is_pointed_out() {
    if skipped_without_root("unsharing") {
        return;
    }
    let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    if of("1").is_none() || of("1") != of("self") {
        println!("skipped: init has another mount namespace already, or does not show it");
        return;
    }
    let words = "the kernel looks for firmware in init's mount namespace";
    let doctor = |program: &[&str]| {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg("doctor");
        command.output().unwrap()
    };
    let binary = binary();
    let inside = doctor(&["unshare", "-m", binary.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&inside.stdout).contains(words), "{inside:?}");
    assert!(!String::from_utf8_lossy(&doctor(&[binary.to_str().unwrap()]).stdout).contains(words));
}

#[test]
fn a_profile_that_is_none_is_found_with_its_line_whosever_it_is() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    profile(&machine, "name = \"mine\"\ndescription = 1\n");
    let broken = found(&machine, "error", "/mine.toml: ");
    assert!(broken.text.contains("line 2"), "{broken:?}");
    mended_by_its_command(&machine, "error", "/mine.toml: ");
    // This board's own is said once.
    profile(&machine, "compatible = [\"st,stm32mp157\"]\nnonsense");
    mended_by_its_command(&machine, "error", "/mine.toml: ");
    std::fs::write(behind(&machine, "etc/remoteproc-runtime/boards/mine.toml"), b"\xff").unwrap();
    found(&machine, "error", "is not UTF-8");
}

#[test]
fn a_board_that_is_chosen_and_has_no_profile_is_an_error() {
    let machine = Machine::simulated(BoardSpec::stm32mp15());
    let outcome = machine.run(&["--board", "nonsense", "doctor"]);
    assert!(outcome.stdout.contains("error    board: there is no board \"nonsense\""), "{}", outcome.stdout);
    assert_eq!(outcome.code, 1);
    std::fs::create_dir_all(behind(&machine, "etc/remoteproc-runtime")).unwrap();
    std::fs::write(behind(&machine, "etc/remoteproc-runtime/board"), "nonsense\n").unwrap();
    found(&machine, "error", "there is no board \"nonsense\"");
}

#[test]
fn what_only_the_kernel_or_only_the_profile_knows_and_hints_are_told() {
    let machine = Machine::simulated(
        BoardSpec::new("Several", &["test,several"])
            .processor(ProcessorSpec::new("m4", "soc/m4"))
            .processor(ProcessorSpec::new("extra", "soc/extra")),
    );
    found(&machine, "note", "no profile (test,several): ");
    let entry = |alias: &str| format!("[[processor]]\naliases = [\"{alias}\"]\nnames = [\"{alias}\"]\n");
    let hint = "hints = [\"Wake it first\"]\n";
    profile(&machine, &format!("{MINE}{}{hint}{}hints = [\"Not there\"]\n", entry("m4"), entry("dsp")));
    let origin = found(&machine, "ok", "board: profile mine (Mine), ").text;
    assert!(origin.ends_with("etc/remoteproc-runtime/boards/mine.toml"), "{origin}");
    found(&machine, "warning", "the profile does not know extra");
    found(&machine, "note", "the kernel does not show dsp");
    found(&machine, "note", "m4: Wake it first");
    not_found(&machine, "Not there");
    profile(&machine, &format!("{MINE}{}{}", entry("m4"), entry("extra")));
    for words in ["does not know", "does not show", "Wake"] {
        not_found(&machine, words);
    }
}

#[test]
fn a_processor_that_something_else_has_booted_is_freed_by_the_command() {
    for state in early_states() {
        let machine = Machine::stm32mp15();
        machine.started_by_something_else(state);
        mended_by_its_command(&machine, "warning", &format!("m4: {state} with firmware"));
        assert_eq!(machine.processor(), "offline");
    }
}

#[test]
fn a_processor_that_crashed_without_a_container_is_brought_back_by_the_command() {
    let machine = Machine::stm32mp15();
    machine.run_something_else();
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    machine.await_processor(0, "crashed");
    mended_by_its_command(&machine, "warning", "m4: crashed with firmware \"other.elf\"");
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn a_process_that_only_holds_the_lock_is_named() {
    let machine = Machine::stm32mp15();
    let holder = Holder::of(&machine, 0);
    let words = format!("m4: owned by process sleep (pid {})", holder.pid());
    let fix = found(&machine, "warning", &words).fix;
    shell(&machine, &fix);
    wait_for_end(i32::try_from(holder.pid()).unwrap());
    not_found(&machine, "owned by process");
}

#[test]
fn recovery_that_is_switched_off_is_worth_a_note() {
    let machine = Machine::stm32mp15();
    not_found(&machine, "recovery is disabled");
    machine.set(0, "recovery", "disabled");
    found(&machine, "note", "m4: recovery is disabled");
}

#[test]
fn a_container_whose_proxy_was_killed_is_deleted_by_the_command() {
    let machine = Machine::stm32mp15();
    machine.orphaned("x");
    mended_by_its_command(&machine, "warning", "its proxy is gone, and m4 is running with its firmware");
    machine.assert_clean();
}

#[test]
fn a_container_that_crashed_and_one_that_was_stopped_are_told_apart() {
    let machine = Machine::stm32mp15();
    machine.set(0, "recovery", "disabled");
    let resident = machine.running_resident("x");
    machine.crash(0);
    resident.ends();
    found(&machine, "warning", "its proxy is gone, and m4 is crashed with its firmware");
    machine.created("y");
    machine.run(&["kill", "y"]).ok();
    mended_by_its_command(&machine, "note", "y of ");
    mended_by_its_command(&machine, "warning", "x of ");
    machine.assert_clean();
}

#[test]
fn remains_and_damage_are_deleted_by_the_command() {
    let machine = Machine::stm32mp15();
    std::fs::create_dir_all(machine.state_root().join("remains")).unwrap();
    std::fs::set_permissions(machine.state_root(), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    mended_by_its_command(&machine, "warning", "a create that was killed left this");
    machine.created("x");
    std::fs::write(machine.state_root().join("x/record.json"), "{").unwrap();
    mended_by_its_command(&machine, "warning", "record.json is damaged");
    machine.assert_clean();
}

#[test]
fn root_looks_into_the_state_directories_of_living_proxies() {
    if skipped_without_root("other state directories") {
        return;
    }
    let machine = Machine::stm32mp15();
    let elsewhere = machine.scratch().join("it's elsewhere");
    let run = |args: &[&str]| machine.run(&[&["--root", elsewhere.to_str().unwrap()], args].concat()).ok();
    for id in ["living", "gone"] {
        run(&["create", "--bundle", machine.bundle(id, "m4").path.to_str().unwrap(), id]);
    }
    run(&["kill", "gone", "KILL"]);
    mended_by_its_command(&machine, "note", "gone of ");
    assert_eq!(names_in(&elsewhere), ["living"]);
}

/// A name of ours with the mark of a boot.
fn name_of(boot: &str) -> String {
    format!("fw.elf-20261123T221500Z-{boot}00c0ffee")
}

fn store(machine: &Machine, name: &str, age: Duration) {
    let path = machine.firmware_directory().join(name);
    let file = std::fs::File::create(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Nobody writes to it after this: a kernel would not load it.
fn make_old(machine: &Machine, name: &str) {
    let file = std::fs::File::options().write(true).open(machine.firmware_directory().join(name)).unwrap();
    file.set_modified(SystemTime::now() - OLD).unwrap();
}

fn this_boot(machine: &Machine) -> String {
    std::fs::read_to_string(machine.path("proc/sys/kernel/random/boot_id")).unwrap()[..8].to_owned()
}

const OLD: Duration = Duration::from_secs(3600);

#[test]
fn firmware_that_belongs_to_nobody_is_removed_by_the_command() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    machine.created("y");
    let kept = machine.stored_firmware();
    for name in &kept {
        // However old they are, they have containers.
        make_old(&machine, name);
    }
    not_found(&machine, "has files");
    let (stale, orphan) = (name_of("00000000"), name_of(&this_boot(&machine)));
    store(&machine, &stale, Duration::ZERO);
    let words = format!("has files of earlier boots, which the next create removes: {stale}");
    mended_by_its_command(&machine, "warning", &words);
    for name in [orphan.clone(), format!("{orphan}.part")] {
        store(&machine, &name, OLD);
        let words = format!("has files of this boot, which no container, proxy or processor names: {name}");
        mended_by_its_command(&machine, "warning", &words);
    }
    assert_eq!(machine.stored_firmware(), kept);
    assert_eq!(machine.status("x"), "running");
}

#[test]
fn firmware_that_may_be_in_use_or_is_not_ours_stays() {
    let machine = Machine::stm32mp15();
    let (orphan, young) =
        (name_of(&this_boot(&machine)), name_of(&this_boot(&machine)).replace("c0ffee", "decade"));
    std::fs::write(machine.firmware_directory().join(&orphan), crate::harness::blink()).unwrap();
    make_old(&machine, &orphan);
    machine.set(0, "firmware", &orphan);
    machine.set(0, "state", "start");
    // A create may have just stored this one, and be about to say whose it is.
    store(&machine, &young, Duration::ZERO);
    store(&machine, "vendor.bin", OLD);
    assert!(examine(&machine, &["--fix"]).iter().all(|found| found.level != "fixed"));
    machine.set(0, "state", "stop");
    let fixed: Vec<Found> =
        examine(&machine, &["--fix"]).into_iter().filter(|found| found.level == "fixed").collect();
    assert!(fixed.len() == 1 && fixed[0].text.ends_with(&orphan), "{fixed:#?}");
    assert_eq!(machine.stored_firmware(), [young, "vendor.bin".to_owned()]);
}

#[test]
fn firmware_of_a_container_in_another_state_directory_stays() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    let [name] = &machine.stored_firmware()[..] else { panic!("one file") };
    make_old(&machine, name);
    let elsewhere = machine.scratch().join("elsewhere");
    machine.run(&["--root", elsewhere.to_str().unwrap(), "doctor", "--fix"]).ok();
    assert_eq!(&machine.stored_firmware()[..], std::slice::from_ref(name));
}

#[test]
fn without_the_word_nothing_is_changed() {
    let machine = Machine::stm32mp15();
    store(&machine, &name_of("00000000"), OLD);
    store(&machine, &name_of(&this_boot(&machine)), OLD);
    machine.write("sys/module/firmware_class/parameters/path", "/lib/firmware\n");
    let before = (machine.stored_firmware(), machine.state_entries());
    examine(&machine, &[]);
    assert_eq!((machine.stored_firmware(), machine.state_entries()), before);
    assert!(!machine.state_root().exists());
    found(
        &machine,
        if machine.path("board").exists() { "error" } else { newline_level() },
        "ends with a newline",
    );
}

/// What a newline is on the kernel that this runs on.
fn newline_level() -> &'static str {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    if release.starts_with("6.1.") { "error" } else { "note" }
}

#[test]
fn a_firmware_directory_in_which_others_could_change_files_is_closed_by_the_command() {
    let machine = Machine::stm32mp15();
    let directory = machine.firmware_directory().canonicalize().unwrap();
    for mode in [0o777, 0o2775] {
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        not_found(&machine, "other users can change what is stored there");
        if mode & 0o002 == 0 && !skipped_without_root("giving a directory away") {
            std::os::unix::fs::chown(&directory, None, Some(4242)).unwrap();
        }
        std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let words = format!("other users can change what is stored there (mode {mode:04o})");
        mended_by_its_command(&machine, "warning", &words);
    }
}

#[test]
fn a_state_directory_that_is_open_to_others_is_closed_by_the_command() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    not_found(&machine, "is open to other users");
    std::fs::set_permissions(machine.state_root(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    mended_by_its_command(&machine, "warning", "is open to other users (mode 0755)");
    std::fs::set_permissions(machine.state_root(), std::os::unix::fs::PermissionsExt::from_mode(0o775))
        .unwrap();
    mended_by_its_command(&machine, "error", "other users could change what containers are (mode 0775)");
    if skipped_without_root("chown") {
        return;
    }
    std::os::unix::fs::chown(machine.state_root(), Some(65534), None).unwrap();
    mended_by_its_command(&machine, "error", "belongs to user 65534");
}

#[test]
fn a_state_directory_that_cannot_be_made_is_an_error() {
    let machine = Machine::stm32mp15();
    std::fs::write(machine.state_root(), "a file").unwrap();
    found(&machine, "error", "cannot be written: Not a directory (ENOTDIR)");
    std::fs::remove_file(machine.state_root()).unwrap();
    found(&machine, "ok", "state: ");
}

#[test]
fn a_user_without_a_state_directory_names_one_as_the_line_says() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let state = machine.scratch().join("nobodys");
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65534), Some(65534)).unwrap();
    let words = "no state directory: set XDG_RUNTIME_DIR";
    assert!(machine.run_as_nobody(&["doctor"]).stdout.contains(words));
    let named = machine.run_as_nobody(&["--root", state.to_str().unwrap(), "doctor"]);
    assert!(!named.stdout.contains(words), "{}", named.stdout);
}
