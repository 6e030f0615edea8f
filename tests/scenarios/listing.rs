//! list, ps, features and spec.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Bundle, Machine, Outcome, binary, blink, name_on_board};

fn list_json(machine: &Machine) -> Vec<Value> {
    serde_json::from_str(&machine.run(&["list", "--format", "json"]).ok()).unwrap()
}

/// The table's cells, the header first. No cell of ours has a blank in it.
fn list_table(machine: &Machine) -> Vec<Vec<String>> {
    let table = machine.run(&["list"]).ok();
    table.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The user who runs the tests, as a machine shows him that knows none by name.
fn me() -> String {
    match rustix::process::geteuid().as_raw() {
        0 => "root".to_owned(),
        uid => format!("#{uid}"),
    }
}

/// The record of a container, as a file.
fn record(machine: &Machine, id: &str) -> std::path::PathBuf {
    machine.state_root().join(id).join("record.json")
}

#[test]
fn the_table_has_runcs_columns() {
    let machine = Machine::stm32mp15();
    let pid = machine.running("b").to_string();
    machine.created("a");
    machine.run(&["kill", "a"]).ok();
    let table = list_table(&machine);
    assert_eq!(table[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let bundle = |id: &str| machine.scratch().join("bundles").join(id).to_str().unwrap().to_owned();
    let created = list_json(&machine).iter().map(|c| c["created"].as_str().unwrap().to_owned()).collect();
    let created: Vec<String> = created;
    let row = |id: &str, pid: &str, status: &str, created: &String| {
        [id, pid, status, &bundle(id), created, &me()].map(str::to_owned).to_vec()
    };
    assert_eq!(table[1..], [row("a", "0", "stopped", &created[0]), row("b", &pid, "running", &created[1])]);
}

#[test]
fn an_owner_is_called_as_the_machine_calls_him() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    machine.edit_record("x", |record| record["owner"] = 4711.into());
    assert_eq!(list_json(&machine)[0]["owner"], "#4711");
    let users = "root:x:0:0::/root:/bin/sh\nbroken\nmotor:x:4711:4711::/:/bin/sh\n";
    std::fs::write(machine.path("etc/passwd"), users).unwrap();
    assert_eq!(list_json(&machine)[0]["owner"], "motor");
}

#[test]
fn a_path_does_not_speak_to_the_terminal() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("a\u{1b}[2Jb\nc", "m4");
    machine.create("x", &bundle).ok();
    let table = machine.run(&["list"]).ok();
    assert!(table.contains("a\\u{1b}[2Jb\\nc"), "{table}");
    assert_eq!(table.lines().count(), 2);
}

#[test]
fn columns_are_aligned() {
    let machine = Machine::stm32mp15();
    machine.created("a-container-with-a-long-name");
    machine.created("x");
    let table = machine.run(&["list"]).ok();
    let columns: Vec<Option<usize>> = table
        .lines()
        .zip(["STATUS", "created", "created"])
        .map(|(line, word)| line.find(&format!("  {word}")))
        .collect();
    assert!(columns[0].is_some() && columns.iter().all(|column| *column == columns[0]), "{table}");
}

#[test]
fn json_has_the_fields_of_runc() {
    let machine = Machine::stm32mp15();
    let pid = machine.running("x");
    let list = list_json(&machine);
    assert_eq!(list.len(), 1);
    let (entry, state) = (&list[0], machine.state("x"));
    for field in ["ociVersion", "id", "pid", "status", "bundle", "annotations"] {
        assert_eq!(entry[field], state[field], "{field}");
    }
    assert_eq!((&entry["pid"], &entry["owner"]), (&pid.into(), &me().into()));
    assert_eq!(entry["rootfs"], machine.scratch().join("bundles/x/rootfs").to_str().unwrap());
    let created = entry["created"].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z') && created.len() == 20, "{created}");
    machine.run(&["kill", "x"]).ok();
    assert_eq!(
        (&list_json(&machine)[0]["pid"], &list_json(&machine)[0]["status"]),
        (&0.into(), &"stopped".into())
    );
}

#[test]
fn quiet_prints_ids_alone_in_order() {
    let machine = Machine::stm32mp15();
    for id in ["b", "c", "a"] {
        machine.created(id);
    }
    assert_eq!(machine.run(&["list", "--quiet"]).ok(), "a\nb\nc\n");
    assert_eq!(machine.run(&["list", "-q"]).ok(), "a\nb\nc\n");
}

#[test]
fn an_empty_or_missing_state_directory_is_an_empty_list() {
    let machine = Machine::stm32mp15();
    for _ in 0..2 {
        assert_eq!(list_table(&machine).len(), 1);
        assert_eq!(list_json(&machine), [Value::Null; 0]);
        assert_eq!(machine.run(&["list", "--quiet"]).ok(), "");
        std::fs::create_dir_all(machine.state_root()).unwrap();
    }
}

#[test]
fn a_broken_record_is_unknown_and_hides_no_other() {
    let machine = Machine::stm32mp15();
    let good = machine.created("good");
    let whole = std::fs::read_to_string(record(&machine, "good")).unwrap();
    let newer = whole.replacen("\"version\":1", "\"version\":999", 1).replacen(
        "\"version\": 1",
        "\"version\": 999",
        1,
    );
    assert_ne!(newer, whole);
    for (id, text) in [("cut", &whole[..whole.len() / 2]), ("empty", ""), ("newer", &newer), ("odd", "[]")] {
        machine.created(id);
        machine.run(&["kill", id]).ok();
        std::fs::write(record(&machine, id), text).unwrap();
    }
    let outcome = machine.run(&["list"]);
    for id in ["cut", "empty", "newer", "odd"] {
        assert!(outcome.stderr.contains(&format!("warning: container {id}: ")), "{}", outcome.stderr);
    }
    outcome.ok();
    let told: Vec<(String, String)> =
        list_table(&machine)[1..].iter().map(|row| (row[0].clone(), row[2].clone())).collect();
    let unknown = |id: &str| (id.to_owned(), "unknown".to_owned());
    let created = ("good".to_owned(), "created".to_owned());
    assert_eq!(told, [unknown("cut"), unknown("empty"), created, unknown("newer"), unknown("odd")]);
    let statuses: Vec<Value> = list_json(&machine).iter().map(|entry| entry["status"].clone()).collect();
    assert_eq!(statuses, ["unknown", "unknown", "created", "unknown", "unknown"]);
    machine.run(&["state", "cut"]).refused(&["container cut", "record.json"]);

    for id in ["cut", "empty", "newer", "odd"] {
        machine.run(&["delete", "--force", id]).ok();
    }
    assert_eq!(machine.run(&["list", "--quiet"]).ok(), "good\n");
    assert_eq!((machine.stored_firmware().len(), machine.pid("good")), (1, good));
}

#[test]
fn what_a_killed_create_left_is_unknown_and_one_at_work_is_creating() {
    let machine = Machine::stm32mp15();
    let half = machine.state_root().join("half");
    std::fs::create_dir_all(&half).unwrap();
    assert_eq!(list_table(&machine)[1][..3], ["half", "0", "unknown"]);
    machine.run(&["state", "half"]).refused(&["does not exist"]);
    // A create at work holds the lock of its directory.
    let held = std::fs::File::open(&half).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(machine.status("half"), "creating");
    assert_eq!(list_table(&machine)[1][..3], ["half", "0", "creating"]);
    assert_eq!(list_json(&machine)[0]["status"], "creating");
}

#[test]
fn what_is_no_container_is_not_listed() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    std::fs::write(machine.state_root().join("stray-file"), "").unwrap();
    std::fs::create_dir(machine.state_root().join("no id")).unwrap();
    assert_eq!(machine.run(&["list", "--quiet"]).ok(), "x\n");
    assert_eq!(list_table(&machine).len(), 2);
    assert_eq!(list_json(&machine).len(), 1);
}

#[test]
fn ps_prints_the_proxys_pid() {
    let machine = Machine::stm32mp15();
    let pid = machine.created("x");
    for phase in ["created", "running"] {
        if phase == "running" {
            machine.run(&["start", "x"]).ok();
        }
        assert_eq!(machine.run(&["ps", "x"]).ok(), format!("PID\n{pid}\n"));
        assert_eq!(machine.run(&["ps", "--format", "json", "x"]).ok(), format!("[{pid}]\n"));
        assert_eq!(machine.run(&["ps", "-f", "table", "x"]).ok(), format!("PID\n{pid}\n"));
    }
}

#[test]
fn features_are_what_engines_need_to_read() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    // As docker calls it: bare, with next to no environment, and wherever it happens to be.
    command.arg("features").env_clear().current_dir("/");
    let text = Outcome::of(command, scratch.path()).ok();
    assert!(!text.contains("null"), "null is not the same as empty: {text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    for version in [&json["ociVersionMin"], &json["ociVersionMax"]] {
        let parts: Vec<u32> =
            version.as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts.len() == 3 && parts[0] == 1, "{version}");
    }
    assert_eq!(json["hooks"], json!([]), "no hook runs");
    assert_eq!(json["mountOptions"], json!([]));
    assert_eq!(json["linux"]["namespaces"], json!(["network"]), "the only one that is entered");
    assert_eq!(json["linux"]["capabilities"], json!([]));
    // containerd reads it without asking whether it is there.
    assert_eq!(json["linux"]["mountExtensions"]["idmap"]["enabled"], false);
    assert_eq!(json["potentiallyUnsafeConfigAnnotations"], json!(["remoteproc."]));
    for feature in ["seccomp", "apparmor", "selinux", "intelRdt"] {
        assert_eq!(json["linux"][feature]["enabled"], false, "{feature}");
    }
    for feature in ["v1", "v2", "systemd", "systemdUser", "rdma"] {
        assert_eq!(json["linux"]["cgroup"][feature], false, "{feature}");
    }
}

#[test]
fn both_versions_that_features_names_are_taken() {
    let machine = Machine::stm32mp15();
    let features: Value = serde_json::from_str(&machine.run(&["features"]).ok()).unwrap();
    for (id, version) in [("a", &features["ociVersionMin"]), ("b", &features["ociVersionMax"])] {
        let bundle = machine.bundle(id, "m4");
        bundle.edit(|config| config["ociVersion"] = version.clone());
        machine.create(id, &bundle).ok();
        // The version that the state complies with, whatever the config's was.
        assert_eq!(machine.state(id)["ociVersion"], features["ociVersionMax"]);
    }
}

/// `spec` for processor m4, run in `directory`.
fn spec(machine: &Machine, directory: &Path, firmware: &str, more: &[&str]) -> Outcome {
    let mut command = machine
        .command(&[&["spec", "--processor", &name_on_board("m4"), "--firmware", firmware], more].concat());
    command.current_dir(directory);
    Outcome::of(command, machine.scratch())
}

/// A directory with the firmware as blink.elf.
fn workshop(machine: &Machine) -> std::path::PathBuf {
    let directory = machine.scratch().join("workshop");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("blink.elf"), blink()).unwrap();
    directory
}

/// Every path below a directory, with its content.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        entries.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        if path.is_dir() {
            entries.extend(tree(&path));
        }
    }
    entries.sort();
    entries
}

#[test]
fn spec_writes_a_bundle_that_create_takes() {
    let machine = Machine::stm32mp15();
    let place = workshop(&machine);
    assert_eq!(spec(&machine, &place, "blink.elf", &["--bundle", "made/for/m4"]).ok(), "");
    spec(&machine, &place.join("made"), "../blink.elf", &[]).ok();
    for (id, bundle) in [("a", "made/for/m4"), ("b", "made")] {
        let bundle = Bundle { path: place.join(bundle) };
        assert!(std::fs::read(bundle.rootfs("blink.elf")).unwrap() == blink(), "another firmware in {id}");
        let config: Value = serde_json::from_slice(&std::fs::read(bundle.config()).unwrap()).unwrap();
        assert_eq!(config["annotations"], json!({ "remoteproc.name": name_on_board("m4") }));
        assert_eq!(config["process"]["args"], json!(["blink.elf"]));
        machine.create(id, &bundle).ok();
        machine.run(&["start", id]).ok();
        machine.run(&["kill", id]).ok();
        machine.run(&["delete", id]).ok();
    }
    machine.assert_clean();
}

#[test]
fn spec_overwrites_nothing() {
    let machine = Machine::stm32mp15();
    let place = workshop(&machine);
    for (name, file) in [("config", "config.json"), ("firmware", "rootfs/blink.elf")] {
        let bundle = place.join(name);
        std::fs::create_dir_all(bundle.join(file).parent().unwrap()).unwrap();
        std::fs::write(bundle.join(file), "somebody's").unwrap();
        let before = tree(&bundle);
        spec(&machine, &place, "blink.elf", &["--bundle", name]).refused(&[file, "exists"]);
        assert_eq!(tree(&bundle), before, "{file}");
    }
    let outside = place.join("outside");
    std::os::unix::fs::symlink(&outside, place.join("config/link")).unwrap();
    std::fs::create_dir_all(place.join("linked/rootfs")).unwrap();
    std::os::unix::fs::symlink(&outside, place.join("linked/rootfs/blink.elf")).unwrap();
    spec(&machine, &place, "blink.elf", &["--bundle", "linked"]).failed();
    assert!(!outside.exists(), "written through a link");
}

#[test]
fn spec_takes_a_firmware_that_lies_in_the_bundle_already() {
    let machine = Machine::stm32mp15();
    let place = workshop(&machine);
    std::fs::create_dir(place.join("rootfs")).unwrap();
    std::fs::rename(place.join("blink.elf"), place.join("rootfs/blink.elf")).unwrap();
    spec(&machine, &place, "rootfs/blink.elf", &[]).ok();
    assert!(std::fs::read(place.join("rootfs/blink.elf")).unwrap() == blink(), "the firmware has changed");
    machine.create("x", &Bundle { path: place }).ok();
}

#[test]
fn spec_refuses_what_is_no_firmware_or_processor_and_leaves_nothing() {
    let machine = Machine::stm32mp15();
    let place = workshop(&machine);
    let before = tree(&place);
    for (firmware, words) in
        [("missing.elf", "missing.elf"), (".", "."), ("/", "/"), ("/dev/null", "regular"), ("..", "..")]
    {
        spec(&machine, &place, firmware, &["--bundle", "made"]).refused(&[words]);
    }
    spec(&machine, &place, "blink.elf", &["--bundle", "made", "--processor", ""]).refused(&["--processor"]);
    spec(&machine, &place, "blink.elf", &["--bundle", "blink.elf/made"]).refused(&["blink.elf/made"]);
    assert_eq!(tree(&place), before);
}
