//! Who can change what: the state directory is the caller's alone, no file is for others to write, and no link leads out.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Bundle, Machine, Outcome, copy_binary, send, skipped_without_root, timed};

/// A user who is neither root nor the caller.
const SOMEBODY: u32 = 4242;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn mkfifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// The binary with another state directory.
fn run_with_root(machine: &Machine, root: &Path, args: &[&str]) -> Outcome {
    machine.run(&[&["--root", root.to_str().unwrap()], args].concat())
}

fn create_line(bundle: &Bundle) -> [&str; 4] {
    ["create", "--bundle", bundle.path.to_str().unwrap(), "x"]
}

/// Every verb that has to do with a container refuses the state directory with `words`, and changes nothing.
#[track_caller]
fn refused_by_every_verb(machine: &Machine, root: &Path, words: &[&str]) {
    let bundle = machine.bundle("refused", "m4");
    let before = (names(root), machine.stored_firmware(), machine.processes());
    let lines: [&[&str]; 8] = [
        &create_line(&bundle),
        &["start", "x"],
        &["state", "x"],
        &["kill", "x", "KILL"],
        &["delete", "--force", "x"],
        &["logs", "x"],
        &["ps", "x"],
        &["list"],
    ];
    for line in lines {
        run_with_root(machine, root, line).refused(&[&["state directory "], words].concat());
    }
    assert_eq!((names(root), machine.stored_firmware(), machine.processes()), before);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Does what the hint of `list` says.
#[track_caller]
fn follow_hint(machine: &Machine, root: &Path) {
    let hint = run_with_root(machine, root, &["list"]).hint();
    assert!(Command::new("sh").arg("-c").arg(&hint).status().unwrap().success(), "{hint}");
}

/// A container lives and ends in the state directory.
#[track_caller]
fn serves(machine: &Machine, root: &Path) {
    let bundle = machine.bundle("x", "m4");
    for line in [&create_line(&bundle)[..], &["start", "x"], &["kill", "x"], &["delete", "x"]] {
        run_with_root(machine, root, line).ok();
    }
    machine.assert_clean();
}

#[test]
fn a_state_directory_is_made_for_the_caller_alone() {
    let machine = Machine::stm32mp15();
    machine.created("x");
    assert_eq!((mode(machine.state_root()), mode(&machine.state_root().join("x"))), (0o700, 0o700));
    machine.run(&["delete", "--force", "x"]).ok();
    let deep = machine.scratch().join("a/b");
    serves(&machine, &deep);
    assert_eq!((mode(&deep), mode(deep.parent().unwrap())), (0o700, 0o700));
}

#[test]
fn a_state_directory_that_others_may_write_to_is_refused_until_it_is_closed() {
    let machine = Machine::stm32mp15();
    let root = machine.scratch().join("open");
    std::fs::create_dir(&root).unwrap();
    for (others, shown) in [(0o777, "0777"), (0o770, "0770"), (0o1777, "1777"), (0o702, "0702")] {
        set_mode(&root, others);
        refused_by_every_verb(&machine, &root, &["other users could change what containers are", shown]);
        follow_hint(&machine, &root);
        assert_eq!(mode(&root), 0o700);
        serves(&machine, &root);
    }
}

#[test]
fn a_state_directory_that_others_may_only_read_serves_as_engines_make_it() {
    let machine = Machine::stm32mp15();
    let root = machine.scratch().join("runc/k8s.io");
    std::fs::create_dir_all(&root).unwrap();
    for others in [0o711, 0o755, 0o750] {
        set_mode(&root, others);
        serves(&machine, &root);
        assert_eq!(mode(&root), others, "as it was");
    }
}

#[test]
fn a_state_directory_of_somebody_else_is_refused_until_it_is_the_callers() {
    if skipped_without_root("giving a directory away") {
        return;
    }
    let machine = Machine::stm32mp15();
    let root = machine.scratch().join("theirs");
    // With a container that somebody has made up, which names a file and a process of root's.
    std::fs::create_dir_all(root.join("x")).unwrap();
    let innocent = machine.firmware_directory().join("fw-20250101T000000Z-00000000c0ffee00");
    std::fs::write(&innocent, "").unwrap();
    symlink(&innocent, root.join("x/firmware")).unwrap();
    for path in [&root, &root.join("x")] {
        chown(path, Some(SOMEBODY), None).unwrap();
    }
    refused_by_every_verb(&machine, &root, &["belongs to user 4242, who could change what containers are"]);
    follow_hint(&machine, &root);
    // What he has left in it is still his.
    run_with_root(&machine, &root, &["delete", "--force", "x"])
        .refused(&["theirs/x", "belongs to user 4242"]);
    run_with_root(&machine, &root, &["state", "x"]).refused(&["theirs/x", "belongs to user 4242"]);
    assert!(innocent.exists());
    std::fs::remove_file(innocent).unwrap();
    std::fs::remove_dir_all(root.join("x")).unwrap();
    serves(&machine, &root);
}

#[test]
fn a_way_to_the_state_directory_that_others_could_bend_is_refused() {
    let machine = Machine::stm32mp15();
    let way = machine.scratch().join("way");
    let root = way.join("below/state");
    std::fs::create_dir(&way).unwrap();
    for others in [0o777, 0o757] {
        set_mode(&way, others);
        refused_by_every_verb(&machine, &root, &["other users could put another one in its place", "/way)"]);
        assert_eq!(names(&way), [""; 0], "nothing is made there");
        follow_hint(&machine, &root);
        serves(&machine, &root);
        std::fs::remove_dir_all(way.join("below")).unwrap();
    }
    // As /tmp is: there everybody takes only what is his own.
    set_mode(&way, 0o1777);
    serves(&machine, &root);
    if skipped_without_root("giving a directory away") {
        return;
    }
    chown(way.join("below"), Some(SOMEBODY), None).unwrap();
    refused_by_every_verb(&machine, &root, &["below on the way to it belongs to user 4242"]);
}

#[test]
fn a_link_in_the_place_of_the_state_directory_is_refused_and_not_followed() {
    let machine = Machine::stm32mp15();
    let (target, root) = (machine.scratch().join("target"), machine.scratch().join("link"));
    std::fs::create_dir(&target).unwrap();
    for leads_to in [&target, &machine.scratch().join("nowhere")] {
        symlink(leads_to, &root).unwrap();
        refused_by_every_verb(&machine, &root, &["link: is a symbolic link"]);
        assert!(names(&target).is_empty() && !machine.scratch().join("nowhere").exists());
        std::fs::remove_file(&root).unwrap();
    }
    // On the way the administrator's are followed, as /var/run is one.
    symlink("target", &root).unwrap();
    serves(&machine, &root.join("state"));
    assert!(target.join("state").is_dir());
    if skipped_without_root("giving a link away") {
        return;
    }
    std::os::unix::fs::lchown(&root, Some(SOMEBODY), None).unwrap();
    refused_by_every_verb(&machine, &root.join("state"), &["link on the way to it belongs to user 4242"]);
}

#[test]
fn in_a_user_namespace_it_is_root_there_whose_alone_it_must_be() {
    if skipped_without_root("becoming another user") {
        return;
    }
    let place = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (program, root) = (place.path().join("program"), place.path().join("state"));
    copy_binary(&program);
    std::fs::create_dir_all(root.join("mine")).unwrap();
    let list = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]).arg(&program).arg("--root").arg(&root);
        command.args(["list", "--quiet"]).current_dir("/").uid(SOMEBODY).gid(SOMEBODY);
        Outcome::of(command, place.path())
    };
    for path in [&root, &root.join("mine")] {
        chown(path, Some(SOMEBODY), None).unwrap();
    }
    // /, /tmp and the place are of a user whom the namespace does not know.
    let listed = list();
    if listed.stderr.contains("unshare failed") {
        println!("skipped: users may make no namespaces here");
        return;
    }
    assert_eq!(listed.ok(), "mine\n");
    chown(&root, Some(SOMEBODY + 1), None).unwrap();
    list().refused(&["it belongs to user 65534"]);
}

#[test]
fn a_state_directory_that_is_no_directory_is_named() {
    let machine = Machine::stm32mp15();
    let root = machine.scratch().join("file");
    std::fs::write(&root, "").unwrap();
    run_with_root(&machine, &root, &["list"]).refused(&["file: Not a directory (ENOTDIR)"]);
    mkfifo(&machine.scratch().join("fifo"));
    run_with_root(&machine, &machine.scratch().join("fifo"), &["list"]).refused(&["(ENOTDIR)"]);
}

/// All files below a directory, links as such.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        files.push(path.clone());
        if path.symlink_metadata().unwrap().is_dir() {
            files.append(&mut files_below(&path));
        }
    }
    files
}

/// The binary under an umask.
fn run_under(machine: &Machine, umask: &str, args: &[&str]) -> Outcome {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask $0 && exec \"$@\"", umask]);
    let command = machine.command(args);
    shell.arg(command.get_program()).args(command.get_args());
    Outcome::of(shell, machine.scratch())
}

#[test]
fn no_file_of_the_runtime_is_for_others_to_write_whatever_the_umask_is() {
    for umask in ["000", "777", "022"] {
        let machine = Machine::stm32mp15();
        let out = machine.scratch().join("out");
        std::fs::create_dir(&out).unwrap();
        let [log, pid_file, spec, firmware] =
            ["log", "pid", "spec", "fw.elf"].map(|name| out.join(name).to_str().unwrap().to_owned());
        std::fs::write(&firmware, crate::harness::blink()).unwrap();
        set_mode(Path::new(&firmware), 0o644);
        let name = crate::harness::name_on_board("m4");
        // No directory can be gone through that has been made under 777, but by root.
        if umask != "777" || rustix::process::geteuid().is_root() {
            run_under(
                &machine,
                umask,
                &["spec", "--bundle", &spec, "--processor", &name, "--firmware", &firmware],
            )
            .ok();
        }
        let bundle = machine.bundle("b", "m4");
        let create = ["--log", &log, "create", "--pid-file", &pid_file, "--bundle"];
        run_under(&machine, umask, &[&create[..], &[bundle.path.to_str().unwrap(), "x"]].concat()).ok();
        run_under(&machine, umask, &["start", "x"]).ok();
        let state = machine.state_root().join("x");
        for (file, expected) in [("record.json", 0o600), ("start", 0o600), ("kill", 0o600)] {
            assert_eq!(mode(&state.join(file)), expected, "umask {umask}: {file}");
        }
        assert_eq!(mode(&machine.firmware_directory().join(&machine.stored_firmware()[0])), 0o644);
        assert_eq!(mode(Path::new(&pid_file)), 0o644, "umask {umask}");
        run_under(&machine, umask, &["kill", "x"]).ok();
        let mut all = files_below(machine.state_root());
        all.extend(files_below(&out));
        all.extend(files_below(&machine.firmware_directory()));
        all.retain(|path| !path.is_symlink());
        assert!(all.len() > 6, "{all:?}");
        for path in all {
            assert_eq!(
                mode(&path) & 0o022,
                0,
                "umask {umask}: {} has mode {:o}",
                path.display(),
                mode(&path)
            );
        }
        run_under(&machine, umask, &["delete", "x"]).ok();
        machine.assert_clean();
    }
}

/// A file that nothing may touch.
fn precious(machine: &Machine) -> PathBuf {
    let path = machine.scratch().join("precious");
    std::fs::write(&path, "precious").unwrap();
    path
}

#[track_caller]
fn assert_untouched(precious: &Path) {
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}

#[test]
fn a_containers_directory_that_is_a_link_is_not_followed() {
    let machine = Machine::stm32mp15();
    machine.created("real");
    let elsewhere = machine.scratch().join("elsewhere");
    std::fs::rename(machine.state_root().join("real"), &elsewhere).unwrap();
    symlink(&elsewhere, machine.state_root().join("x")).unwrap();
    let bundle = machine.bundle("b", "m4");
    for line in [&create_line(&bundle)[..], &["start", "x"], &["state", "x"], &["delete", "--force", "x"]] {
        machine.run(line).refused(&["container x: cannot open", "Not a directory (ENOTDIR)"]);
    }
    assert_eq!(machine.run(&["list", "--quiet"]).ok(), "", "it is none");
    assert!(elsewhere.join("record.json").exists());
    // The one that was moved away: its proxy is found by the record when it is back.
    std::fs::rename(elsewhere, machine.state_root().join("real")).unwrap();
    machine.run(&["delete", "--force", "real"]).ok();
}

#[test]
fn a_record_that_is_no_file_is_damage_and_holds_nobody_up() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let outside = machine.scratch().join("outside.json");
    for kind in ["link", "fifo", "directory", "device"] {
        if kind == "device" && skipped_without_root("making a device node") {
            continue;
        }
        machine.create("x", &bundle).ok();
        let record = machine.state_root().join("x/record.json");
        std::fs::rename(&record, &outside).unwrap();
        match kind {
            "link" => symlink(&outside, &record).unwrap(),
            "fifo" => mkfifo(&record),
            "directory" => std::fs::create_dir(&record).unwrap(),
            // /dev/zero: it would never end.
            _ => mknodat(CWD, &record, FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, 5))
                .unwrap(),
        }
        for line in [["state", "x"], ["start", "x"], ["kill", "x"], ["logs", "x"]] {
            let (outcome, took) = timed(|| machine.run(&line));
            outcome.refused(&["container x: ", "record.json is damaged: it is not a regular file"]);
            assert!(took < Duration::from_secs(9), "{kind}: {took:?}");
        }
        assert!(machine.run(&["list"]).ok().contains("unknown"));
        if kind == "directory" {
            machine.run(&["delete", "--force", "x"]).refused(&["record.json: Is a directory (EISDIR)"]);
            std::fs::remove_dir(&record).unwrap();
        }
        machine.run(&["delete", "--force", "x"]).ok();
        assert!(outside.exists(), "{kind}: what it led to is there");
        machine.assert_clean();
    }
}

#[test]
fn what_lies_in_the_place_of_a_part_is_replaced_and_not_followed() {
    let machine = Machine::stm32mp15();
    let precious = precious(&machine);
    let container = machine.state_root().join("x");
    std::fs::create_dir_all(&container).unwrap();
    set_mode(machine.state_root(), 0o700);
    symlink(&precious, container.join("record.json.part")).unwrap();
    let (pid_file, part) = (machine.scratch().join("pid"), machine.scratch().join("pid.part"));
    for kind in ["link", "fifo", "hard link"] {
        match kind {
            "link" => symlink(&precious, &part).unwrap(),
            "fifo" => mkfifo(&part),
            _ => std::fs::hard_link(&precious, &part).unwrap(),
        }
        let bundle = machine.bundle("b", "m4");
        let (bundle, file) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
        machine.run(&["create", "--bundle", bundle, "--pid-file", file, "x"]).ok();
        assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), machine.pid("x").to_string(), "{kind}");
        machine.run(&["start", "x"]).ok();
        // The last words go beside the record when the firmware stops.
        match kind {
            "link" => symlink(&precious, container.join("trace")).unwrap(),
            "fifo" => mkfifo(&container.join("trace")),
            _ => std::fs::hard_link(&precious, container.join("trace")).unwrap(),
        }
        machine.run(&["kill", "x"]).ok();
        machine.run(&["delete", "x"]).ok();
        assert_untouched(&precious);
    }
    machine.assert_clean();
}

#[test]
fn what_lies_in_the_place_of_a_fifo_gets_no_answer() {
    let machine = Machine::stm32mp15();
    let precious = precious(&machine);
    for (fifo, verb) in [("start", "start"), ("kill", "kill")] {
        for kind in ["file", "link", "directory"] {
            machine.created("x");
            if verb == "kill" {
                machine.run(&["start", "x"]).ok();
            }
            let path = machine.state_root().join("x").join(fifo);
            std::fs::remove_file(&path).unwrap();
            match kind {
                "file" => std::fs::write(&path, "running\n").unwrap(),
                "link" => symlink(&precious, &path).unwrap(),
                _ => std::fs::create_dir(&path).unwrap(),
            }
            let (outcome, took) = timed(|| machine.run(&[verb, "x"]));
            outcome.refused(&["container x: ", &format!("/x/{fifo}")]);
            assert!(took < Duration::from_secs(9), "{took:?}");
            assert_untouched(&precious);
            if kind == "directory" {
                std::fs::remove_dir(&path).unwrap();
            }
            machine.run(&["delete", "--force", "x"]).ok();
            machine.assert_clean();
        }
    }
}

#[test]
fn a_proxy_does_not_answer_through_a_link() {
    let machine = Machine::stm32mp15();
    let precious = precious(&machine);
    let pid = machine.created("x");
    let fifo = machine.state_root().join("x/start");
    std::fs::remove_file(&fifo).unwrap();
    symlink(&precious, &fifo).unwrap();
    // What start sends; start itself finds out before.
    send(pid, "USR1");
    machine.await_status("x", "running");
    machine.run(&["kill", "x"]).ok();
    machine.run(&["delete", "x"]).ok();
    assert_untouched(&precious);
    machine.assert_clean();
}

#[test]
fn a_note_of_a_firmware_that_is_none_of_ours_costs_nothing() {
    let machine = Machine::stm32mp15();
    let vendors = machine.firmware_directory().join("vendor.bin");
    let outside = machine.scratch().join("fw-20250101T000000Z-00000000c0ffee00");
    for path in [&vendors, &outside] {
        std::fs::write(path, "precious").unwrap();
    }
    machine.run_something_else();
    // The name alone; a path that climbs; one elsewhere, with a name as ours; and what somebody else runs.
    for target in
        ["vendor.bin", "../../../../vendor.bin", outside.to_str().unwrap(), "/lib/firmware/other.elf"]
    {
        for verb in ["delete", "create"] {
            std::fs::create_dir_all(machine.state_root().join("x")).unwrap();
            for made in [machine.state_root(), &machine.state_root().join("x")] {
                set_mode(made, 0o700);
            }
            symlink(target, machine.state_root().join("x/firmware")).unwrap();
            if verb == "create" {
                machine.created("x");
            }
            machine.run(&["delete", "--force", "x"]).ok();
        }
    }
    assert_eq!(machine.state_entries(), [""; 0]);
    assert_untouched(&vendors);
    assert_untouched(&outside);
    assert_eq!(machine.processor(), "running");
}

#[test]
fn a_link_in_the_firmware_directory_is_not_written_through() {
    let machine = Machine::stm32mp15();
    let precious = precious(&machine);
    machine.created("x");
    let [name] = &machine.stored_firmware()[..] else { panic!("one file") };
    let stored = machine.firmware_directory().join(name);
    // Somebody has put links in the place of the file, and of its copy in the making.
    std::fs::remove_file(&stored).unwrap();
    symlink(&precious, &stored).unwrap();
    symlink(&precious, machine.firmware_directory().join(format!("{name}.part"))).unwrap();
    machine.run(&["delete", "--force", "x"]).ok();
    machine.assert_clean();
    assert_untouched(&precious);
}

#[test]
fn a_config_that_is_no_file_of_the_bundle_is_refused_and_holds_nobody_up() {
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let (config, outside) = (bundle.config(), machine.scratch().join("config.json"));
    std::fs::rename(&config, &outside).unwrap();
    symlink(&outside, &config).unwrap();
    machine.create_is_refused(&bundle, &["config.json: is a link that leads out of the bundle"]);
    std::fs::remove_file(&config).unwrap();
    symlink("../../config.json", &config).unwrap();
    machine.create_is_refused(&bundle, &["config.json: is a link that leads out of the bundle"]);
    std::fs::remove_file(&config).unwrap();
    mkfifo(&config);
    let (_, took) = timed(|| machine.create_is_refused(&bundle, &["config.json: is not a regular file"]));
    assert!(took < Duration::from_secs(9), "{took:?}");
    std::fs::remove_file(&config).unwrap();
    // 4 GiB without a block.
    std::fs::File::create(&config).unwrap().set_len(4 << 30).unwrap();
    let (_, took) = timed(|| machine.create_is_refused(&bundle, &["config.json: larger than 8 MiB"]));
    assert!(took < Duration::from_secs(9), "{took:?}");
    // Within the bundle a link leads nowhere else.
    std::fs::rename(&outside, bundle.path.join("real.json")).unwrap();
    std::fs::remove_file(&config).unwrap();
    symlink("real.json", &config).unwrap();
    machine.create("x", &bundle).ok();
}

#[test]
fn a_network_namespace_that_is_a_fifo_holds_nobody_up() {
    if skipped_without_root("entering a network namespace") {
        return;
    }
    let machine = Machine::stm32mp15();
    let bundle = machine.bundle("b", "m4");
    let fifo = machine.scratch().join("netns");
    mkfifo(&fifo);
    bundle.edit(|config| {
        config["linux"] = serde_json::json!({ "namespaces": [{ "type": "network", "path": fifo }] });
    });
    let (_, took) = timed(|| machine.create_is_refused(&bundle, &["its network namespace"]));
    assert!(took < Duration::from_secs(9), "{took:?}");
}
