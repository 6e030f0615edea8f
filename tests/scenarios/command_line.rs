//! The command line with containers behind it. What needs no board is in tests/golden.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Bundle, Machine, Outcome, binary, copy_binary, exit_code, skipped_without_root};

/// A user without rights, on every Linux.
const NOBODY: u32 = 65534;

fn path(bundle: &Bundle) -> &str {
    bundle.path.to_str().unwrap()
}

/// Every one of these command lines, with ID for the container's and BUNDLE for the bundle's, creates a container.
#[track_caller]
fn all_create(machine: &Machine, lines: &[&str]) {
    let bundle = machine.bundle("b", "m4");
    for (number, line) in lines.iter().enumerate() {
        let id = format!("c{number}");
        let words: Vec<String> =
            line.split(' ').map(|word| word.replace("BUNDLE", path(&bundle)).replace("ID", &id)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        machine.run(&words).ok();
        assert_eq!(machine.status(&id), "created", "{line}");
        assert_eq!(machine.state(&id)["bundle"], path(&bundle), "{line}");
    }
}

#[test]
fn options_are_taken_in_all_spellings() {
    all_create(
        &Machine::stm32mp15(),
        &[
            "create --bundle BUNDLE ID",
            "create --bundle=BUNDLE ID",
            "create -b BUNDLE ID",
            "create ID --bundle BUNDLE",
            "create --bundle BUNDLE -- ID",
            "--debug=true --log-level=error create --bundle BUNDLE ID",
        ],
    );
}

#[test]
fn what_other_runtimes_know_is_accepted_without_effect() {
    all_create(
        &Machine::stm32mp15(),
        &[
            "--systemd-cgroup create --bundle BUNDLE ID",
            "--cgroup-manager disabled create --bundle BUNDLE ID",
            "--rootless create --bundle BUNDLE ID",
            "--rootless=true create --bundle BUNDLE ID",
            "--criu /nonexistent create --bundle BUNDLE ID",
            "create --bundle BUNDLE --no-pivot --no-new-keyring --preserve-fds 3 ID",
            "--systemd-cgroup --rootless=auto --cgroup-manager=systemd --criu= create --no-pivot --bundle BUNDLE ID",
        ],
    );
}

#[test]
fn of_a_repeated_option_the_last_counts() {
    let machine = Machine::stm32mp15();
    all_create(
        &machine,
        &[
            "create --bundle /nonexistent --bundle BUNDLE ID",
            "create --bundle=/nonexistent -b BUNDLE ID",
            "--host-root /nonexistent --host-root HOST create --bundle BUNDLE ID"
                .replace("HOST", machine.host_root().to_str().unwrap())
                .as_str(),
            "--systemd-cgroup --systemd-cgroup --rootless=a --rootless=b create --bundle BUNDLE ID",
            "create --no-pivot --no-pivot --preserve-fds 1 --preserve-fds 2 --bundle BUNDLE ID",
        ],
    );
    machine.run(&["kill", "--signal", "KILL", "--signal", "0", "c0"]).ok();
    assert_eq!(machine.status("c0"), "created");
    assert!(machine.run(&["list", "--format", "json", "--format=table"]).ok().starts_with("ID "));
    let elsewhere = machine.scratch().join("elsewhere");
    assert_eq!(machine.run(&["--root", elsewhere.to_str().unwrap(), "list", "--quiet"]).ok(), "");
}

#[test]
fn without_a_bundle_the_working_directory_is_it() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let mut command = machine.command(&["create", "x"]);
    command.current_dir(&bundle.path);
    Outcome::of(command, machine.scratch()).ok();
    assert_eq!(machine.state("x")["bundle"], path(&bundle));
}

#[test]
fn relative_roots_and_bundles_hold_for_later_commands_from_elsewhere() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let mut command = Command::new(binary());
    command.args(["--root", "state", "--host-root", "host", "create", "--bundle", "bundles/b", "x"]);
    command.current_dir(machine.scratch());
    Outcome::of(command, machine.scratch()).ok();
    assert_eq!(machine.state("x")["bundle"], path(&bundle));
    machine.run(&["start", "x"]).ok();
    assert_eq!(machine.processor(), "running");
}

/// podman gives its runtime flags to some verbs and not to the clean-up after a container's end.
#[test]
fn a_container_keeps_its_machine_when_later_verbs_do_not_name_it() {
    let machine = Machine::stm32mp15();
    let without = |args: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("--root").arg(machine.state_root()).args(args);
        Outcome::of(command, machine.scratch())
    };
    machine.created("x");
    let state = machine.state("x");
    let said: serde_json::Value = serde_json::from_str(&without(&["state", "x"]).ok()).unwrap();
    assert_eq!(said, state);
    without(&["start", "x"]).ok();
    assert!(without(&["list"]).ok().contains("running"));
    machine.set(0, "recovery", "disabled");
    machine.crash(0);
    machine.await_status("x", "stopped");
    without(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
    machine.assert_starts(0, 0);
    machine.running("y");
    without(&["kill", "y"]).ok();
    assert_eq!(machine.processor(), "offline");
}

#[test]
fn a_signal_may_be_an_argument_an_option_or_a_switch() {
    let machine = Machine::stm32mp15();
    let spellings = [
        "kill x",
        "kill x 15",
        "kill x TERM",
        "kill x SIGTERM",
        "kill x sigterm",
        "kill -15 x",
        "kill -TERM x",
        "kill x -SIGTERM",
        "kill -s TERM x",
        "kill --signal TERM x",
        "kill --signal=15 x",
        "kill --all x 15",
        "kill -a x",
    ];
    for spelling in spellings {
        let pid = machine.created("x");
        machine.run(&spelling.split(' ').collect::<Vec<_>>()).ok();
        assert_eq!(exit_code(pid), 0, "{spelling}");
        assert_eq!(machine.status("x"), "stopped", "{spelling}");
        machine.run(&["delete", "x"]).ok();
    }
    machine.assert_clean();
}

#[test]
fn a_refused_signal_leaves_the_container_as_it_is() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    for signal in ["USR1", "10", "STOP", "19", "CONT", "64", "nonsense", ""] {
        machine.run(&["kill", "x", signal]).refused(&["TERM, INT, HUP, QUIT and 37"]);
    }
    machine.run(&["kill", "x", "0"]).ok();
    assert_eq!((machine.status("x").as_str(), machine.processor().as_str()), ("running", "running"));
}

#[test]
fn exit_codes_tell_success_failure_and_misuse_apart() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    for (line, code) in [
        ("state x", 0),
        ("list", 0),
        ("features", 0),
        ("delete --force unknown", 0),
        ("state unknown", 1),
        ("delete x", 1),
        ("create --bundle /nonexistent y", 1),
        ("state a/b", 1),
        ("kill x USR2", 1),
        ("exec x true", 1),
        ("frobnicate x", 2),
        ("state --frobnicate x", 2),
        ("state", 2),
    ] {
        let outcome = machine.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(outcome.code, code, "{line}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.starts_with("error: "), code != 0, "{line}: {}", outcome.stderr);
        if code != 0 {
            assert_eq!(outcome.stdout, "", "{line}");
        }
    }
    assert_eq!(machine.pid("x"), pid, "none of them touched it");
}

#[test]
fn every_verb_says_that_an_unknown_container_does_not_exist() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    for verb in ["state", "start", "kill", "delete", "ps"] {
        machine.run(&[verb, "y"]).refused(&["container y", "does not exist"]);
    }
}

#[test]
fn kill_and_ps_say_that_a_stopped_container_is_not_running() {
    let machine = Machine::stm32mp15();
    machine.running("x");
    machine.run(&["kill", "x"]).ok();
    for line in [&["ps", "x"][..], &["kill", "x"], &["kill", "x", "KILL"], &["kill", "x", "0"]] {
        machine.run(line).refused(&["container x", "container not running"]);
    }
    assert_eq!(machine.status("x"), "stopped");
}

#[test]
fn a_host_root_that_is_missing_leaves_no_container() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let missing = machine.scratch().join("missing");
    machine
        .run(&["--host-root", missing.to_str().unwrap(), "create", "--bundle", path(&bundle), "x"])
        .refused(&["host root", missing.to_str().unwrap()]);
    machine.assert_clean();
}

#[test]
fn an_argument_that_is_no_text_is_a_misuse() {
    let machine = Machine::stm32mp15();
    let mut command = machine.command(&["state"]);
    command.arg(OsStr::from_bytes(b"x\xff\n"));
    let outcome = Outcome::of(command, machine.scratch());
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("error: argument \"x\\xFF\\n\" is not UTF-8\n"), "{}", outcome.stderr);
}

#[test]
fn a_closed_standard_output_is_no_failure() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    for line in [&["state", "x"][..], &["list"], &["ps", "x"], &["features"], &["--help"], &["--version"]] {
        let mut command = machine.command(line);
        // The reading end is gone before anything is written.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = command.stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{line:?}: {status}");
    }
}

#[test]
fn a_create_without_standard_streams_works() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"]).arg(binary());
    command.args(machine.command(&["create", "--bundle", path(&bundle), "x"]).get_args());
    Outcome::of(command, machine.scratch()).ok();
    machine.run(&["start", "x"]).ok();
    machine.run(&["kill", "x"]).ok();
    assert_eq!(machine.status("x"), "stopped");
}

/// A directory that everybody may enter, with the binary, and with a container's directory below `state`.
fn place_for_anybody(state: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let program = directory.path().join("program");
    copy_binary(&program);
    std::fs::create_dir_all(directory.path().join(state).join("mine")).unwrap();
    (directory, program)
}

/// `list --quiet` as an ordinary user with an environment of one variable.
fn list_as_a_user(program: &Path, scratch: &Path, runtime: Option<&str>) -> Outcome {
    let mut command = Command::new(program);
    command.args(["list", "--quiet"]).current_dir("/").env_clear();
    command.envs(runtime.map(|directory| ("XDG_RUNTIME_DIR", directory)));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Outcome::of(command, scratch)
}

#[test]
fn a_users_containers_are_in_the_runtime_directory() {
    let (place, program) = place_for_anybody("remoteproc-runtime");
    let place = place.path();
    if rustix::process::geteuid().is_root() {
        for his in ["remoteproc-runtime", "remoteproc-runtime/mine"] {
            chown(place.join(his), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    assert_eq!(list_as_a_user(&program, place, place.to_str()).ok(), "mine\n");
    for nowhere in [None, Some(""), Some("relative")] {
        list_as_a_user(&program, place, nowhere).refused(&["XDG_RUNTIME_DIR", "--root"]);
    }
}

#[test]
fn the_containers_of_root_are_below_run_whatever_the_runtime_directory_is() {
    if skipped_without_root("a /run of the scenario's own") {
        return;
    }
    let (place, program) = place_for_anybody("run/remoteproc-runtime");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount --bind \"$1/run\" /run && exec \"$2\" list --quiet", "sh"]);
    command.arg(place.path()).arg(program).env("XDG_RUNTIME_DIR", place.path());
    assert_eq!(Outcome::of(command, place.path()).ok(), "mine\n");
}

#[test]
fn the_pid_file_holds_the_number_alone() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    std::fs::write(machine.scratch().join("pid"), "an older, longer text\n").unwrap();
    let mut command = machine.command(&["create", "--bundle", path(&bundle), "--pid-file", "pid", "x"]);
    // Relative to the working directory, not to the bundle.
    command.current_dir(machine.scratch());
    Outcome::of(command, machine.scratch()).ok();
    let text = std::fs::read_to_string(machine.scratch().join("pid")).unwrap();
    assert_eq!(text, machine.pid("x").to_string());
}

#[test]
fn a_pid_file_that_cannot_be_written_leaves_no_container() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let missing = machine.scratch().join("missing/pid");
    machine
        .run(&["create", "--bundle", path(&bundle), "--pid-file", missing.to_str().unwrap(), "x"])
        .refused(&["container x", "missing"]);
    machine.assert_clean();
    assert_eq!(machine.processes(), [0; 0]);
}

#[test]
fn a_create_that_fails_takes_its_pid_file_back() {
    if skipped_without_root("a full file system of the scenario's own") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    std::fs::create_dir(machine.state_root()).unwrap();
    let pid_file = machine.scratch().join("pid");
    // The record is what is written last, and it no longer fits.
    let script = "mount -t tmpfs -o mode=700,size=4k none \"$1\" && head -c 4096 /dev/zero > \"$1/fill\" && shift && \"$@\"; \
                  code=$?; ls \"$3\" >&2; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(machine.state_root()).arg(binary());
    let create = ["create", "--bundle", path(&bundle), "--pid-file", pid_file.to_str().unwrap(), "x"];
    command.args(machine.command(&create).get_args());
    let stderr = Outcome::of(command, machine.scratch()).failed();
    assert!(stderr.contains("record.json") && stderr.contains("ENOSPC"), "{stderr}");
    assert!(stderr.ends_with("\nfill\n"), "the container's directory is left: {stderr}");
    assert!(!pid_file.exists());
    machine.assert_clean();
    assert_eq!(machine.processes(), [0; 0]);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    for args in [
        &["list"][..],
        &["list", "--format", "json"],
        &["state", "x"],
        &["ps", "x"],
        &["features"],
        &["--version"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let told = machine.command(args).stdout(full).output().unwrap();
        let error = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("cannot write to the standard output: No space left"), "{args:?}: {error}");
    }
}
