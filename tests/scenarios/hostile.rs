//! Who has no say: the environment, an image, the text of a firmware, and other users' processes.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use serde_json::json;

use crate::harness::{
    Companion, Machine, Outcome, copy_binary, eventually, is_alive, skipped_without_root, traced,
};

/// A user without rights, on every Linux.
const NOBODY: u32 = 65534;

/// What engines, shells and attackers leave in an environment.
const ENVIRONMENT: [(&str, &str); 34] = [
    ("_OCI_STARTPIPE", "3"),
    ("_OCI_SYNCPIPE", "4"),
    ("_CONTAINERS_USERNS_CONFIGURED", "done"),
    ("_LIBPOD_NOTIFY_SOCKET", "/nonexistent"),
    ("BUNDLE", "/nonexistent"),
    ("CLICOLOR_FORCE", "1"),
    ("COLUMNS", "7"),
    ("CONTAINER_ID", "other"),
    ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"),
    ("HOME", "/nonexistent"),
    ("IFS", "/"),
    ("LANG", "tr_TR.UTF-8"),
    ("LC_ALL", "\u{1b}[31m"),
    ("LISTEN_FDNAMES", "remoteproc.name"),
    ("LISTEN_FDS", "7"),
    ("LISTEN_PID", "1"),
    ("LD_BIND_NOW", "1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("NO_COLOR", "1"),
    ("NOTIFY_SOCKET", "/nonexistent"),
    ("PATH", "/nonexistent"),
    ("REMOTEPROC_NAME", "other"),
    ("REMOTEPROC_RUNTIME_COMMIT", "forged"),
    ("REMOTEPROC_RUNTIME_ROOT", "/nonexistent"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LIB_BACKTRACE", "1"),
    ("RUST_LOG_STYLE", "always"),
    ("RUST_MIN_STACK", "4096"),
    ("TERM", "\u{1b}]0;x\u{7}"),
    ("TMPDIR", "/nonexistent"),
    ("TZ", "/dev/zero"),
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("XDG_DATA_DIRS", "/nonexistent"),
    ("remoteproc.name", "other"),
];

/// What a life of a container prints, but for what differs between two lives.
fn life(machine: &Machine, environment: &[(&str, &str)]) -> String {
    let bundle = machine.bundle("b", "m4");
    let create = ["create", "--bundle", bundle.path.to_str().unwrap(), "x"];
    let lines: [&[&str]; 13] = [
        &["--version"],
        &["--help"],
        &["features"],
        &create,
        &["state", "x"],
        &["start", "x"],
        &["list"],
        &["processors"],
        &["logs", "x"],
        &["start", "x"],
        &["kill", "x"],
        &["list", "--format", "json"],
        &["delete", "x"],
    ];
    let (mut printed, mut pid) = (String::new(), String::new());
    for line in lines {
        let mut command = machine.command(line);
        command.env_clear().envs(environment.iter().copied());
        let outcome = Outcome::of(command, machine.scratch());
        if line[0] == "create" {
            pid = machine.pid("x").to_string();
            assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"", "the proxy's");
        }
        printed.push_str(&format!("{} {line:?}\n{}{}", outcome.code, outcome.stdout, outcome.stderr));
    }
    // The pid, which may have more digits than another, the time and the random part of the stored name.
    printed =
        printed.replace(&pid, "PID").split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let digit = |c: char| c.is_ascii_hexdigit();
    let words = printed.split(|c: char| c.is_whitespace() || "\",".contains(c));
    let stored: Vec<&str> = words.clone().filter(|word| word.contains("fw.elf-")).collect();
    let times = words.filter(|word| word.len() == 20 && word.ends_with('Z') && word.starts_with(digit));
    let all: Vec<String> = stored.into_iter().chain(times).map(str::to_owned).collect();
    all.iter().fold(printed, |printed, word| printed.replace(word, "WORD"))
}

#[test]
fn nothing_in_the_environment_changes_what_a_container_is() {
    let machine = Machine::stm32mp15();
    let plain = life(&machine, &[]);
    assert!(plain.contains("running") && plain.contains("stopped"), "{plain}");
    assert_eq!(life(&machine, &ENVIRONMENT), plain);
    machine.assert_clean();
}

/// `list` as a user whose only variable is XDG_RUNTIME_DIR.
fn list_with(program: &Path, scratch: &Path, runtime: &Path) -> Outcome {
    let mut command = Command::new(program);
    command.args(["list", "--quiet"]).current_dir("/").env_clear().env("XDG_RUNTIME_DIR", runtime);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Outcome::of(command, scratch)
}

#[test]
fn a_runtime_directory_that_is_not_the_users_alone_is_refused() {
    if skipped_without_root("directories of two users") {
        return;
    }
    let place = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (program, runtime) = (place.path().join("program"), place.path().join("runtime"));
    copy_binary(&program);
    std::fs::create_dir_all(runtime.join("remoteproc-runtime/planted")).unwrap();
    let list = |runtime: &Path| list_with(&program, place.path(), runtime);
    // Root's: what root has made there is not the user's.
    list(&runtime).refused(&["state directory ", "belongs to user 0"]);
    for path in [runtime.join("remoteproc-runtime"), runtime.join("remoteproc-runtime/planted")] {
        chown(path, Some(NOBODY), None).unwrap();
    }
    assert_eq!(list(&runtime).ok(), "planted\n");
    std::fs::set_permissions(&runtime, PermissionsExt::from_mode(0o777)).unwrap();
    list(&runtime).refused(&["other users could put another one in its place", "0777"]);
    std::fs::set_permissions(&runtime, PermissionsExt::from_mode(0o755)).unwrap();
    chown(&runtime, Some(4242), None).unwrap();
    list(&runtime).refused(&["runtime on the way to it belongs to user 4242"]);
    list(Path::new("remoteproc")).refused(&["no state directory"]);
}

#[test]
fn an_image_names_no_processor_no_path_and_no_setting() {
    let machine = Machine::with_two_processors();
    let bundle = machine.bundle("b", "m4");
    bundle.edit(|config| {
        // What engines make of an image's ENV, USER, WORKDIR and LABEL.
        config["process"]["env"] = json!([
            "remoteproc.name=other",
            "REMOTEPROC_NAME=other",
            "remoteproc.stop-timeout=3600",
            "REMOTEPROC_FIRMWARE=/etc/shadow",
            "XDG_RUNTIME_DIR=/nonexistent",
            "RUST_LOG=trace",
        ]);
        config["process"]["cwd"] = json!("/etc");
        config["process"]["user"] = json!({ "uid": 4242, "gid": 4242, "additionalGids": [1] });
        config["process"]["oomScoreAdj"] = json!(-1000);
        config["labels"] = json!({ "remoteproc.name": "other" });
        config["mounts"] = json!([{ "destination": "/lib/firmware", "source": "/etc", "type": "bind" }]);
    });
    // And files that mean something where the machine has them.
    for (path, text) in [
        ("etc/remoteproc-runtime/board", "imx8mm"),
        ("etc/remoteproc-runtime/boards/mine.toml", "name = \"mine\""),
        ("config.json", "{}"),
        ("sys/class/remoteproc/remoteproc0/name", "other"),
    ] {
        std::fs::create_dir_all(bundle.rootfs(path).parent().unwrap()).unwrap();
        std::fs::write(bundle.rootfs(path), text).unwrap();
    }
    let outcome = machine.create("x", &bundle);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    machine.run(&["start", "x"]).ok();
    assert_eq!(
        (machine.processor().as_str(), machine.attribute(1, "state").as_str()),
        ("running", "offline")
    );
    let pid = machine.pid("x");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}")).unwrap());
    assert_eq!(owner, rustix::process::geteuid().as_raw());
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    machine.assert_clean();
}

/// What a terminal gets of a command that writes to it.
fn seen_on_terminal(mut command: Command) -> Vec<u8> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let status = command.stdin(Stdio::null()).stdout(slave).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    // The command has the other end of the slave; ours is closed, so the end of the text is an error (EIO).
    drop(command);
    let (mut master, mut text) = (std::fs::File::from(master), Vec::new());
    let _ = master.read_to_end(&mut text);
    text
}

#[test]
fn a_firmware_cannot_speak_to_the_terminal_of_whoever_reads_its_logs() {
    let machine = Machine::stm32mp15();
    let evil = "up\n\u{1b}]0;owned\u{7}\u{1b}[2Jgrüße\u{9b}31m\r\n";
    machine.create("x", &machine.bundle_of("x", "m4", &traced(evil))).ok();
    machine.run(&["start", "x"]).ok();
    let harmless = "up\n\\x1b]0;owned\\x07\\x1b[2Jgrüße".as_bytes();
    for when in ["now", "kept"] {
        let shown = seen_on_terminal(machine.command(&["logs", "x"]));
        let shown: Vec<u8> = shown.into_iter().filter(|byte| *byte != b'\r').collect();
        assert!(shown.starts_with(harmless), "{when}: {:?}", String::from_utf8_lossy(&shown));
        assert!(!shown.contains(&0x1b) && !shown.contains(&0x07), "{when}");
        // Whoever wants it as it is reads no terminal.
        assert_eq!(machine.run(&["logs", "x"]).ok(), evil, "{when}");
        if when == "now" {
            machine.run(&["kill", "x"]).ok();
        }
    }
}

#[test]
fn a_config_cannot_speak_to_the_terminal_of_whoever_asks_for_a_state() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let evil = "\u{1b}[2J\u{9b}31m\u{7f}\u{85}é";
    bundle.annotate("evil", evil);
    machine.create("x", &bundle).ok();
    for line in [&["state", "x"][..], &["list", "--format", "json"], &["list"]] {
        let text = machine.run(line).ok();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{line:?}: {text:?}");
    }
    assert_eq!(machine.state("x")["annotations"]["evil"], evil, "and JSON says what it was");
}

#[test]
fn a_process_that_says_it_is_a_proxy_is_none_where_it_is_another_users() {
    if skipped_without_root("a process of another user") {
        return;
    }
    let machine = Machine::stm32mp15();
    let container = machine.state_root().join("x");
    std::fs::create_dir_all(&container).unwrap();
    for made in [machine.state_root(), &container] {
        std::fs::set_permissions(made, PermissionsExt::from_mode(0o700)).unwrap();
    }
    let words = ["--name", "m4", "--device", "/d", "--firmware", "f", "--network", "host"];
    // A script of that name: so its command line is that of a proxy.
    let scripts = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    std::fs::write(scripts.path().join("proxy"), "while :; do sleep 1; done\n").unwrap();
    let impostor = Command::new("sh")
        .args(["proxy", "--host-root"])
        .arg(machine.path("sys").parent().unwrap())
        .arg("--container")
        .arg(&container)
        .args(words)
        .stdin(Stdio::null())
        .current_dir(scripts.path())
        .uid(NOBODY)
        .spawn()
        .unwrap();
    let pid = i32::try_from(impostor.id()).unwrap();
    let _impostor = Companion(impostor);
    eventually("it looks like one", || machine.processes().contains(&pid));
    machine.run(&["delete", "--force", "x"]).ok();
    assert!(is_alive(pid));
    machine.assert_clean();
}
